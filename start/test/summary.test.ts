import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stages } from '../stages.ts';
import { createSummary, describeSummary } from '../summary.ts';
import { createStatusLine } from '../terminal.ts';

test('the live line counts what runs here, and what is in the log is archived or lag', () => {
  let received = 100;
  const stages = {
    bridge: { online: () => 20, counts: () => ({ received, rejected: 2 }) },
    log: {
      stats: () => ({
        partitions: [
          { stream: 'telemetry', end: 1300 },
          { stream: 'account', end: 20 },
          { stream: 'state', end: 40 },
        ],
      }),
    },
    archive: { counts: () => ({ lagRecords: 318, positionRecords: 1000 }) },
  } as unknown as Stages;
  let nowMs = 0;
  const summary = createSummary(stages, () => nowMs);
  nowMs = 2000;
  received = 144;
  assert.equal(
    describeSummary(summary()),
    'drones online 20 | in/s 22 | in the log 1,340 | archived 1,000 | lag 340 | rejected 2',
  );
  assert.equal(describeSummary(createSummary({} as Stages)()), '');
});

test('a log line goes above the status line, in words', () => {
  const written: string[] = [];
  const line = createStatusLine({ write: text => written.push(text), columns: 20 });
  line.show('drones online 20 | in/s 22');
  line.write(
    '{"level":"warn","time":"2026-11-25T12:00:01.500Z","stream":"telemetry","n":1,"msg":"log does not take records"}\n',
  );
  line.end();
  assert.deepEqual(written, [
    '\r\u001b[2Kdrones online 20 | ',
    '\r\u001b[2K12:00:01 warn  log does not take records stream=telemetry n=1\ndrones online 20 | ',
    '\r\u001b[2K',
  ]);
});
