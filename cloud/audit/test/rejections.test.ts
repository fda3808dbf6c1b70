import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rejections } from '../rejections.ts';
import type { Sightings } from '../sightings.ts';

test('P2: rejections without a number are told in the order of the log, in whatever order they are read', () => {
  const rejections = new Rejections({} as Sightings);
  const unread = { droneId: 'mine', epoch: undefined, first: undefined, last: undefined, count: 1 };
  const image = { ...unread, kind: 'image', reason: 'NOT_A_PICTURE' };
  for (const offset of [9n, 3n, 7n]) rejections.add({ ...image, offset });
  rejections.add({ ...unread, kind: undefined, reason: 'BAD_TOPIC', offset: 2n });
  assert.deepEqual(rejections.unreadable(), [
    { droneId: 'mine', kind: '?', reason: 'BAD_TOPIC', count: 1, offset: 2n },
    { droneId: 'mine', kind: 'image', reason: 'NOT_A_PICTURE', count: 3, offset: 3n },
  ]);
});
