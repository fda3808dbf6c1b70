import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { AppError } from '../../core/errors.ts';
import { createLane, type Sender } from '../lane.ts';

/** A log whose appends the test settles by hand, and what each `done` was told. */
function setUp(timeoutMs = 60_000) {
  const appends: { stream: string; payloads: string[]; settle: (error?: Error) => void }[] = [];
  const answers: string[] = [];
  const settled: string[] = [];
  const lane = createLane({
    timeoutMs,
    onSettled: (stream, error) => settled.push(`${stream} ${error?.code ?? 'stored'}`),
    append: (stream, records) =>
      new Promise((resolve, reject) => {
        const payloads = records.map(({ payload }) => Buffer.from(payload).toString());
        appends.push({ stream, payloads, settle: error => (error === undefined ? resolve() : reject(error)) });
      }),
  });
  const push = (text: string, sender: Sender, stream = 'telemetry') =>
    lane.push(stream, 'drone', {}, Buffer.from(text), sender, (error?: AppError) =>
      answers.push(`${text} ${error?.code ?? 'stored'}`),
    );
  return { lane, appends, answers, settled, push };
}
const sender = (): Sender => ({ failed: false });

test('what arrives while an append is on its way goes into the next one, in order', async () => {
  const { appends, answers, push, lane } = setUp();
  const [a, b] = [sender(), sender()];
  push('a1', a);
  push('b1', b);
  await turn();
  push('a2', a);
  push('a3', a);
  await turn();
  assert.equal(appends.length, 1, 'one batch in flight (B2)');
  assert.deepEqual(answers, [], 'no PUBACK before the append has resolved');
  appends[0]!.settle();
  await turn();
  await turn();
  assert.deepEqual(answers, ['a1 stored', 'b1 stored']);
  assert.deepEqual(
    appends.map(({ payloads }) => payloads),
    [
      ['a1', 'b1'],
      ['a2', 'a3'],
    ],
  );
  appends[1]!.settle();
  await lane.idle();
  assert.deepEqual(answers.slice(2), ['a2 stored', 'a3 stored']);
});

test('B1: answers of one connection come in order of arrival, also over streams that settle in another order', async () => {
  const { appends, answers, push, lane } = setUp();
  const a = sender();
  push('1', a, 'telemetry');
  push('2', a, 'violation');
  push('3', a, 'telemetry');
  await turn();
  appends[1]!.settle();
  await turn();
  assert.deepEqual(answers, []);
  appends[0]!.settle();
  await lane.idle();
  assert.deepEqual(answers, ['1 stored', '2 stored', '3 stored']);
});

test('B2: after a failed record nothing later of that connection is appended, others go on', async () => {
  const { appends, answers, settled, push, lane } = setUp();
  const [a, b] = [sender(), sender()];
  push('a1', a, 'telemetry');
  push('b1', b, 'violation');
  await turn();
  push('a2', a, 'telemetry');
  push('b2', b, 'violation');
  appends[0]!.settle(new Error('disk full'));
  appends[1]!.settle();
  await turn();
  await turn();
  push('a3', a, 'telemetry');
  appends[2]?.settle();
  await lane.idle();
  assert.deepEqual(answers, [
    'a1 BRIDGE_APPEND_FAILED',
    'b1 stored',
    'a2 BRIDGE_APPEND_FAILED',
    'a3 BRIDGE_APPEND_FAILED',
    'b2 stored',
  ]);
  assert.deepEqual(appends[2]!.payloads, ['b2']);
  assert.deepEqual(settled.slice(0, 2).sort(), ['telemetry BRIDGE_APPEND_FAILED', 'violation stored']);
});

test('B2: in one batch what follows a failed record of its connection fails with it, though its own stream stored it', async () => {
  const { appends, answers, push, lane } = setUp();
  const [a, b] = [sender(), sender()];
  push('a1', a, 'violation');
  push('a2', a, 'telemetry');
  push('a3', a, 'violation');
  push('b1', b, 'violation');
  await turn();
  for (const { stream, settle } of appends) settle(stream === 'telemetry' ? new Error('disk full') : undefined);
  await lane.idle();
  assert.deepEqual(answers, ['a1 stored', 'a2 BRIDGE_APPEND_FAILED', 'a3 BRIDGE_APPEND_FAILED', 'b1 stored']);
});

test('B2: an append that outlives its time-out fails its messages, and nothing is sent until it has settled', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { lane, appends, answers, push } = setUp(1000);
  const [a, b] = [sender(), sender()];
  push('a1', a);
  await turn();
  push('b1', b);
  t.mock.timers.tick(1000);
  assert.deepEqual(answers, ['a1 BRIDGE_APPEND_TIMEOUT', 'b1 BRIDGE_APPEND_TIMEOUT']);
  assert.equal(lane.stuck(), true);
  const c = sender();
  push('c1', c);
  await turn();
  assert.equal(appends.length, 1, 'the lane holds until the outstanding append settles');
  assert.equal(answers.at(-1), 'c1 BRIDGE_APPEND_FAILED');
  appends[0]!.settle();
  await turn();
  await turn();
  assert.equal(lane.stuck(), false);
  push('d1', sender());
  await turn();
  appends[1]!.settle();
  await lane.idle();
  assert.equal(answers.at(-1), 'd1 stored');
  assert.deepEqual(lane.counts(), { waiting: 0, inFlight: 0, stored: 1, failed: 3 });
});
