import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import type { AuditReport } from '../audit.ts';
import { run } from '../command.ts';
import { nothingArchived, openScene, type Scene } from './scene.ts';

async function runIn(t: TestContext, { config, log }: Scene, args: string[]) {
  let [stdout, stderr] = ['', ''];
  const code = await run(args, {
    config,
    stdout: { write: text => (stdout += text) },
    stderr: { write: text => (stderr += text) },
    signal: t.signal,
    openLog: async () => log,
    openObjects: async () => nothingArchived,
  });
  return { code, stdout, stderr };
}

test('a balanced audit ends with 0 and says how many messages it stands for', async t => {
  const scene = await openScene(t);
  await scene.send('nyc-0001', 'telemetry', 1, 20);
  await scene.send('nyc-0001', 'violation', 1, 2);
  const { code, stdout, stderr } = await runIn(t, scene, []);
  assert.equal(code, 0);
  assert.match(stdout, /^ +telemetry +violation +total$/m);
  assert.match(stdout, /^made by the drones +20 +2 +22$/m);
  assert.match(stdout, /Balanced: all 22 acknowledged messages are stored or rejected by name\.\n$/);
  assert.equal(stderr, '');
});

test('a gap ends with 1, by name in the table and as JSON', async t => {
  const scene = await openScene(t);
  scene.make('nyc-0001', 'violation', 1, 3);
  scene.ledger.exec('delete from outbox where seq = 2');
  const table = await runIn(t, scene, []);
  assert.equal(table.code, 1);
  assert.match(table.stdout, /^ {2}lost: drone nyc-0001 epoch \w{26} violation 2 \(/m);
  assert.match(table.stdout, /NOT BALANCED: 0 missing, 1 lost at the drone/);

  const json = await runIn(t, scene, ['--json']);
  assert.equal(json.code, 1);
  const report = JSON.parse(json.stdout) as AuditReport;
  assert.deepEqual([report.ok, report.total.lostAtDrone, report.gaps[0]!.from, report.gaps[0]!.to], [false, 1, 2, 2]);
});

test('an option that does not exist, or a value that it cannot have, is wrong use', async t => {
  const scene = await openScene(t);
  for (const args of [['--jsn'], ['--sample', 'some'], ['--sample', '1000000'], ['--seed', '-1']]) {
    await assert.rejects(runIn(t, scene, args), error => hasCode(error, 'AUDIT_WRONG_USE'));
  }
});
