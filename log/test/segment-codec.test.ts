import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { StoredRecord } from '../event-log.ts';
import {
  BlockEncoder,
  batchHeadBytes,
  countBlock,
  decodeBatch,
  isIntact,
  readHead,
  stampBlock,
} from '../segment-codec.ts';
import { record } from './temporary-log.ts';

const salt = 0x1234abcd;

function encode(sizes: readonly number[]): Buffer {
  const encoder = new BlockEncoder();
  for (const size of sizes) encoder.add({ ...record(''), payload: Buffer.alloc(size, size) });
  return encoder.finish();
}

it('a block is batches that name their offsets, and decodes to what was encoded', () => {
  const sizes = [0, 1, 300_000, 5, 200_000, 100_000, 7];
  const block = encode(sizes);
  assert.equal(countBlock(block), sizes.length);
  assert.equal(stampBlock(block, 1000, 77, salt), sizes.length);
  const records: StoredRecord[] = [];
  let batches = 0;
  for (let at = 0; at < block.length; batches++) {
    const head = readHead(block, at)!;
    assert.ok(isIntact(block, at, head, salt));
    assert.ok(!isIntact(block, at, head, salt + 1));
    assert.equal(head.firstOffset, 1000 + records.length);
    assert.equal(head.recordsBefore, records.length);
    decodeBatch(block, at, head, { from: 0, to: Number.MAX_SAFE_INTEGER, bytes: 0, maxBytes: 1e9, records });
    at += batchHeadBytes + head.bodyBytes;
  }
  assert.ok(batches > 1);
  assert.deepEqual(
    records.map(({ offset, timeMs, payload }) => [offset, timeMs, payload.length]),
    sizes.map((size, index) => [BigInt(1000 + index), 77, size]),
  );
});

it('one changed byte anywhere is noticed', () => {
  const block = encode([10, 20]);
  stampBlock(block, 5, 1, salt);
  for (let at = 0; at < block.length; at++) {
    const copy = Buffer.from(block);
    copy[at]! ^= 1;
    const head = readHead(copy, 0);
    const fits = head !== undefined && batchHeadBytes + head.bodyBytes <= copy.length;
    assert.ok(!fits || !isIntact(copy, 0, head, salt), `byte ${at}`);
  }
});

it('a block that another process sent is counted only when every length in it fits', () => {
  const whole = fc.array(fc.nat(2000), { minLength: 1, maxLength: 20 }).map(encode);
  fc.assert(
    fc.property(whole, fc.nat(), fc.integer({ min: 1, max: 255 }), (block, where, flip) => {
      const count = countBlock(block)!;
      assert.ok(count > 0);
      assert.equal(countBlock(block.subarray(0, block.length - 1)), undefined);
      const copy = Buffer.from(block);
      copy[where % copy.length]! ^= flip;
      const counted = countBlock(copy);
      if (counted !== undefined) assert.equal(stampBlock(copy, 0, 1, salt), counted);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), bytes => countBlock(Buffer.from(bytes)) === undefined),
  );
});
