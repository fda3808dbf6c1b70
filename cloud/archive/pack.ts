import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { hasCode } from '../../core/errors.ts';
import { archiveErrors } from './archive-errors.ts';
import type { PackRef } from './manifest.ts';
import type { ObjectStore } from './object-store.ts';

const comparedBytes = 1024 * 1024;

/** Writes a pack as a local file, each byte once, and hashes on the way. */
export class PackWriter {
  #path: string;
  #file: FileHandle | undefined;
  #hash = createHash('sha256');
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #bytes = 0;

  /** The file is made when it is first written. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the next payload and gives its place. The bytes must stay as they are until the next flush has resolved. */
  add(payload: Uint8Array): { position: number; length: number } {
    const place = { position: this.#bytes, length: payload.byteLength };
    this.#hash.update(payload);
    this.#waiting.push(payload);
    this.#waitingBytes += payload.byteLength;
    this.#bytes += payload.byteLength;
    return place;
  }

  async flush(): Promise<void> {
    this.#file ??= await open(this.#path, 'wx');
    if (this.#waitingBytes === 0) return;
    const { bytesWritten } = await this.#file.writev(this.#waiting);
    if (bytesWritten !== this.#waitingBytes) {
      throw new Error(`the disk took ${bytesWritten} of ${this.#waitingBytes} bytes`);
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Writes what is left. */
  async finish(): Promise<Omit<PackRef, 'key'>> {
    await this.flush();
    await this.close();
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** May be called again. */
  async close(): Promise<void> {
    await this.#file?.close();
  }
}

/**
 * Stores a pack, of which the store may keep the file. One that is there already, put before a crash or by another archiver,
 * is adopted when it holds the same bytes (A3), else this fails with ARCHIVE_DIFFERS.
 */
export async function storePack(
  objects: ObjectStore,
  pack: PackRef,
  path: string,
  { from, next }: { from: bigint; next: bigint },
): Promise<void> {
  try {
    await objects.put(pack.key, { path, consumed: true });
  } catch (error) {
    if (!hasCode(error, 'OBJECTS_EXISTS')) throw error;
    if (!(await holds(objects, pack))) throw archiveErrors.DIFFERS({ object: pack.key, from, next }, error);
  }
}

async function holds(objects: ObjectStore, { key, bytes, sha256 }: PackRef): Promise<boolean> {
  const hash = createHash('sha256');
  for (let start = 0; ; ) {
    const part = await objects.get(key, { start, end: start + comparedBytes });
    hash.update(part);
    start += part.length;
    if (part.length === 0 || start > bytes) return start === bytes && hash.digest('hex') === sha256;
  }
}
