import assert from 'node:assert/strict';
import { it } from 'node:test';
import { murmur2, partitionOf } from '../partitioner.ts';

it('murmur2 gives what Kafka gives (vectors of its UtilsTest)', () => {
  const vectors: Record<string, number> = {
    '21': -973932308,
    foobar: -790332482,
    'a-little-bit-long-string': -985981536,
    'a-little-bit-longer-string': -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    abc: 479470107,
  };
  for (const [key, hash] of Object.entries(vectors)) assert.equal(murmur2(Buffer.from(key)), hash, key);
});

it('the partition is the positive hash modulo the count', () => {
  assert.equal(partitionOf('foobar', 7), (-790332482 & 0x7fffffff) % 7);
  assert.equal(partitionOf('anything', 1), 0);
});
