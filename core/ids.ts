import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';

// ulid() draws 16 numbers an id; one block of random bytes serves many ids.
const block = new Uint32Array(256);
let used = block.length;

function cryptoRandom(): number {
  if (used === block.length) {
    randomFillSync(block);
    used = 0;
  }
  return block[used++]! / 2 ** 32;
}

/** A new ULID (26 characters, Crockford base 32): 48 bits of `timeMs`, then 80 bits from crypto. */
export function newUlid(timeMs: number = Date.now()): string {
  return ulid(timeMs, cryptoRandom);
}

/** A name as a topic level or file name may hold it: fleet and drone ids (DESIGN section 4). */
export const idPattern = '^[a-z0-9][a-z0-9-]{0,31}$';
export const ulidPattern = '^[0-7][0-9A-HJKMNP-TV-Z]{25}$';
export const sha256Pattern = '^[0-9a-f]{64}$';
