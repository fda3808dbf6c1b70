import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { EventLog } from '../../../log/event-log.ts';
import type { ObjectStore } from '../../archive/object-store.ts';
import { type AuditReport, audit } from '../audit.ts';
import { epoch, nothingArchived, openScene, recordOf, type Scene, stateRecord } from './scene.ts';

function auditOf(t: TestContext, { dataDir, log }: Scene): Promise<AuditReport> {
  return audit({ dataDir, log, objects: nothingArchived, signal: t.signal });
}

/** The gaps in short. */
function named({ gaps }: AuditReport): string[] {
  return gaps.map(({ what, droneId, kind, from, to }) => `${what} ${droneId} ${kind} ${from}-${to}`);
}

test('P1: what is stored, waiting or newer than the ledger balances', async t => {
  const scene = await openScene(t);
  await scene.send('nyc-0001', 'telemetry', 1, 200);
  await scene.send('nyc-0001', 'violation', 1, 3);
  scene.make('nyc-0001', 'telemetry', 201, 210);
  await scene.send('nyc-0002', 'ack', 1, 1);
  await scene.log.append('telemetry', [
    recordOf('nyc-0001', 'telemetry', Buffer.from(`{"epoch":"${epoch}","seq":999}`)),
  ]);
  await scene.deliver('nyc-0002', 'ack', 1, 1);
  const report = await auditOf(t, scene);
  assert.deepEqual(report.gaps, []);
  assert.equal(report.ok, true);
  assert.deepEqual(
    { made: report.total.made, inLog: report.total.inLog, inFlight: report.total.inFlight, newer: report.total.newer },
    { made: 214, inLog: 204, inFlight: 10, newer: 1 },
  );
  assert.equal(report.kinds.ack!.redelivered, 1);
});

test('a deleted outbox row is lost at the drone, and named', async t => {
  const scene = await openScene(t);
  await scene.send('nyc-0001', 'violation', 1, 4);
  scene.make('nyc-0001', 'violation', 5, 7);
  scene.ledger.exec('delete from outbox where seq = 6');
  const report = await auditOf(t, scene);
  assert.deepEqual(named(report), ['lost nyc-0001 violation 6-6']);
  assert.equal(report.ok, false);
  assert.equal(report.total.inFlight, 2);
});

for (const [name, harm] of [
  ['damaged', damage],
  ['deleted', cutBatch],
] as const) {
  test(`a ${name} log batch makes exactly its messages missing, and names its offsets`, async t => {
    const scene = await openScene(t);
    await scene.send('nyc-0001', 'telemetry', 1, 50);
    await scene.send('nyc-0001', 'telemetry', 51, 60);
    await scene.send('nyc-0001', 'telemetry', 61, 100);
    harm(join(scene.dataDir, 'log/telemetry/0'), '"seq":55,');
    const report = await auditOf(t, scene);
    assert.deepEqual(named(report), ['missing nyc-0001 telemetry 51-60']);
    assert.deepEqual(report.holes, [{ stream: 'telemetry', partition: 0, where: 'log', from: 50n, to: 60n }]);
    assert.match(
      report.gaps[0]!.lastSeen,
      /50 is in the log near offset 49, 61 is in the log near offset 60.*lacks the offsets 50 to 59/,
    );
  });
}

test('a device without a ledger is judged by what its state messages claim', async t => {
  const scene = await openScene(t);
  await scene.deliver('fra-0001', 'telemetry', 1, 8);
  await scene.deliver('fra-0001', 'telemetry', 10, 12);
  await scene.log.append('state', [
    stateRecord('fra-0001', { telemetry: { made: 14, lowestUnacknowledged: 12, refused: 2 } }),
    stateRecord('fra-0001', { telemetry: { made: 5, refused: 0 } }),
  ]);
  const report = await auditOf(t, scene);
  assert.deepEqual(named(report), ['missing fra-0001 telemetry 9-9']);
  assert.deepEqual(report.judgedByState, ['fra-0001']);
  const { made, refused, acknowledged, inFlight, lostAtDrone } = report.total;
  assert.deepEqual(
    { made, refused, acknowledged, inFlight, lostAtDrone },
    { made: 14, refused: 2, acknowledged: 11, inFlight: 3, lostAtDrone: 0 },
  );
});

test('B9, P2: a rejection with a number is no loss; one without stands beside the gaps, which stay', async t => {
  const scene = await openScene(t);
  await scene.send('nyc-0001', 'telemetry', 1, 10);
  scene.make('nyc-0001', 'telemetry', 11, 13);
  scene.ledger.exec('delete from outbox where seq in (11, 12)');
  scene.ledger.exec(`insert into acknowledged values ('nyc-0001', '${epoch}', 'telemetry', 11, 12)`);
  const headers = { droneId: 'nyc-0001', kind: 'telemetry' };
  await scene.log.append('rejected', [
    recordOf('nyc-0001', 'telemetry', Buffer.from('x'), { ...headers, epoch, seq: '11', reason: 'INVALID' }),
    recordOf('nyc-0001', 'telemetry', Buffer.from('y'), { ...headers, reason: 'NOT_JSON' }),
  ]);
  const report = await auditOf(t, scene);
  assert.deepEqual(named(report), ['missing nyc-0001 telemetry 12-12']);
  assert.equal(report.total.rejected, 1);
  assert.deepEqual(report.unreadable, [
    { droneId: 'nyc-0001', kind: 'telemetry', reason: 'NOT_JSON', count: 1, offset: 1n },
  ]);
});

test('a ledger that cannot be read is named, and its drones are judged by their states', async t => {
  const scene = await openScene(t);
  writeFileSync(
    join(scene.dataDir, 'edge/other.sqlite'),
    'no database, but as long as the header of one should be: 100 bytes and more, so that it is read as one',
  );
  await scene.send('nyc-0001', 'telemetry', 1, 5);
  const report = await auditOf(t, scene);
  assert.equal(report.ok, false);
  assert.match(report.damaged[0]!.object, /other\.sqlite$/);
  assert.equal(report.total.archived + report.total.inLog, 5);
});

test('P1: a fleet that goes on flying never looks as if it had lost something', async t => {
  const scene = await openScene(t);
  const abort = new AbortController();
  const flying = (async () => {
    for (let seq = 1; !abort.signal.aborted; seq += 10) {
      scene.make('nyc-0001', 'telemetry', seq, seq + 9);
      await scene.deliver('nyc-0001', 'telemetry', seq, seq + 9);
    }
  })();
  const made: number[] = [];
  for (let round = 0; round < 5; round++) {
    const report = await auditOf(t, scene);
    assert.deepEqual(report.gaps, []);
    assert.equal(report.ok, true);
    made.push(report.total.made);
  }
  abort.abort();
  await flying;
  assert.ok(made.at(-1)! > made[0]!, `the fleet stood still at ${made}`);
});

test('P1: no end is taken before the last state is read, and none after the archive is looked at', async t => {
  const scene = await openScene(t);
  await scene.deliver('fra-0001', 'telemetry', 1, 3);
  await scene.log.append('state', [stateRecord('fra-0001', { telemetry: { made: 3, refused: 0 } })]);
  const steps: string[] = [];
  const log: EventLog = {
    ...scene.log,
    ends(stream) {
      steps.push(`ends ${stream}`);
      return scene.log.ends(stream);
    },
    fetch(stream, ...rest) {
      steps.push(`fetch ${stream}`);
      return scene.log.fetch(stream, ...rest);
    },
  };
  const objects: ObjectStore = {
    ...nothingArchived,
    list(prefix) {
      steps.push(`list ${prefix}`);
      return nothingArchived.list(prefix);
    },
  };
  const report = await audit({ dataDir: scene.dataDir, log, objects, signal: t.signal });
  assert.equal(report.total.acknowledged, 3);
  const place = (step: string) => steps.indexOf(step);
  assert.ok(place('list archive/state/') < place('fetch state'));
  assert.ok(place('fetch state') < place('ends telemetry'));
  const lastEnd = steps.findLastIndex(step => step.startsWith('ends '));
  assert.ok(lastEnd < place('list archive/telemetry/') && lastEnd < place('fetch telemetry'), steps.join(', '));
});

/** Flips a bit of the one place in the folder's segments that holds the text. */
/** Flips a bit where the text stands. */
function damage(folder: string, text: string): void {
  change(folder, text, (bytes, at) => {
    bytes[at]! ^= 1;
    return bytes;
  });
}

/** Takes out the whole batch that holds the text. */
function cutBatch(folder: string, text: string): void {
  change(folder, text, (bytes, at) => {
    const start = bytes.lastIndexOf('PCB1', at);
    const next = bytes.indexOf('PCB1', at);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(next)]);
  });
}

function change(folder: string, text: string, edit: (bytes: Buffer, at: number) => Buffer): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const bytes = readFileSync(path);
    const at = bytes.indexOf(text);
    if (at === -1) continue;
    writeFileSync(path, edit(bytes, at));
    return;
  }
  assert.fail(`no segment in ${folder} holds ${text}`);
}
