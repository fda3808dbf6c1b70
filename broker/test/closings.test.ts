import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../core/logging.ts';
import { createClosings } from '../closings.ts';

test('of closings out of the ordinary one line is written at once, then one a minute, and none is lost', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const lines: object[] = [];
  const closings = createClosings({ ...silentLogger, warn: fields => lines.push(fields) });
  closings.note('disconnected');
  closings.note('lost');
  assert.deepEqual(lines, []);
  closings.note('malformed');
  for (let index = 0; index < 1000; index++) closings.note('stalled');
  assert.deepEqual(lines, [{ closed: { malformed: 1 } }]);
  t.mock.timers.tick(60_000);
  assert.deepEqual(lines.slice(1), [{ closed: { stalled: 1000 } }]);
  t.mock.timers.tick(60_000);
  assert.equal(lines.length, 2);
  closings.note('keepalive');
  closings.note('protocol');
  closings.stop();
  assert.deepEqual(lines.slice(2), [{ closed: { keepalive: 1 } }, { closed: { protocol: 1 } }]);
  const counts = Object.fromEntries(closings.counts().map(([{ reason }, count]) => [reason, count]));
  assert.equal(counts.stalled, 1000);
  assert.equal(counts.disconnected, 1);
  assert.equal(counts.ended, 0);
});
