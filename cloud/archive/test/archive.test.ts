import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import { type EventLog, logErrors } from '../../../log/event-log.ts';
import { markRecord } from '../../../log/record.ts';
import { type ObjectStore, objectErrors } from '../object-store.ts';
import { openObjectStore } from '../open.ts';
import {
  configIn,
  contentOf,
  entriesOf,
  epoch,
  eventually,
  keysIn,
  newerEpoch,
  openArchive,
  openLog,
  query,
  record,
  smallRuns,
  telemetry,
  temporaryFolder,
} from './archive-scene.ts';

const only = ['telemetry', 'violation'];

/** A log that fails on purpose; everything else goes to the real one. */
function logWith(log: EventLog, changes: Partial<EventLog>): EventLog {
  const plain: EventLog = {
    append: (...args) => log.append(...args),
    read: (...args) => log.read(...args),
    fetch: (...args) => log.fetch(...args),
    ends: stream => log.ends(stream),
    groups: stream => log.groups(stream),
    close: () => log.close(),
  };
  return { ...plain, ...changes };
}

test('what was appended is read back from Parquet after a clean stop', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const { archive, objects } = await openArchive(t, config, { log });
  await log.append('telemetry', telemetry(1, 5000));
  await archive.stop();
  assert.equal(archive.counts().recordsArchived, 5000);
  assert.equal(archive.health().problem, undefined);
  assert.equal((await keysIn(objects, 'archive/telemetry/')).length, 1);
  const sql = 'select count(*) as n, sum(seq)::double as s, count_if(redelivery) as r from $files';
  assert.deepEqual(await query(config.DATA_DIR, 'telemetry', sql), [{ n: 5000n, s: 12_502_500, r: 0n }]);
});

test('A1: marks are no rows, and a run of marks makes no object', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const { archive, objects } = await openArchive(t, config, { log, only });
  await log.append('telemetry', [markRecord('test'), ...telemetry(1, 3), markRecord('test'), markRecord('test')]);
  await eventually('the marks are read', () => archive.counts().lagRecords === 0 && archive.counts().objects === 1);
  await archive.stop();
  const [entry, ...others] = await entriesOf(objects, 'telemetry');
  assert.deepEqual(others, []);
  assert.deepEqual([entry!.from, entry!.next, entry!.count], [1n, 5n, 3]);
  assert.deepEqual(await query(config.DATA_DIR, 'telemetry', 'select "offset" as o from $files order by o'), [
    { o: 1n },
    { o: 2n },
    { o: 3n },
  ]);
});

test('A1: an open run is closed by a mark when it is a window old by the archiver’s clock, and not before', async t => {
  const config = configIn(await temporaryFolder(t), { ARCHIVE_RUN_WINDOW_SECONDS: '600' });
  // The log's clock stands still, so that nothing but the mark can end the run.
  const log = await openLog(t, config, { now: () => 1_795_605_600_000 });
  let nowMs = 1_000_000;
  let ticks = 0;
  const counted = logWith(log, {
    ends(stream) {
      if (stream === 'telemetry') ticks++;
      return log.ends(stream);
    },
  });
  const { archive, objects } = await openArchive(t, config, { log: counted, only, now: () => nowMs });
  await log.append('telemetry', telemetry(1, 3));
  await eventually('the run is open', () => archive.counts().nextObjectAtMs === 1_600_000);
  nowMs = 1_599_999;
  ticks = 0;
  await eventually('the archiver has looked twice', () => ticks >= 2);
  const [early] = await log.ends('telemetry');
  assert.equal(early!.end, 3n);
  nowMs = 1_600_000;
  await eventually('the object', () => archive.counts().objects === 1);
  assert.equal((await keysIn(objects, 'archive/telemetry/')).length, 1);
  const [ends] = await log.ends('telemetry');
  assert.equal(ends!.end, 4n);
});

test('A1, L8: other limits or partition counts than at first are refused, naming the setting', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, configIn(dataDir));
  const { archive } = await openArchive(t, configIn(dataDir), { log, only });
  await archive.stop();
  const refused = (name: string) => (error: unknown) =>
    hasCode(error, 'ARCHIVE_LIMITS') && error.message.includes(name);
  await assert.rejects(openArchive(t, configIn(dataDir, smallRuns), { log, only }), refused('ARCHIVE_RUN_MAX_RECORDS'));
  const [one] = await log.ends('telemetry');
  const wider = logWith(log, { ends: async () => [one!, { ...one!, partition: 1 }] });
  await assert.rejects(openArchive(t, configIn(dataDir), { log: wider, only }), refused('partitions'));
});

test('A2: entries are chained by digest, and name the object’s bytes and the run’s records', async t => {
  const config = configIn(await temporaryFolder(t), smallRuns);
  const log = await openLog(t, config);
  const { archive, objects } = await openArchive(t, config, { log, only });
  await log.append('telemetry', telemetry(1, 700));
  await archive.stop();
  const keys = await keysIn(objects, 'manifest/telemetry/');
  const entries = await entriesOf(objects, 'telemetry');
  assert.deepEqual(
    entries.map(({ from, next, count }) => [from, next, count]),
    [
      [0n, 200n, 200],
      [200n, 400n, 200],
      [400n, 600n, 200],
      [600n, 701n, 100],
    ],
  );
  const hashes = await contentOf(objects);
  entries.forEach((entry, index) => {
    assert.equal(entry.previous, index === 0 ? undefined : hashes[keys[index - 1]!]);
    assert.equal(entry.sha256, hashes[entry.object]);
    assert.match(entry.object, /^archive\/telemetry\/dt=\d{4}-\d\d-\d\d\/p0-[0-9a-f]{8}-\d{20}\.parquet$/);
  });
  assert.deepEqual(entries.at(-1)!.redelivery, { 'nyc-0007': { [epoch]: { seen: { telemetry: [1, 700] } } } });
});

test('A2, L7: the group’s position never passes what is archived', async t => {
  const config = configIn(await temporaryFolder(t), smallRuns);
  const log = await openLog(t, config);
  const { archive } = await openArchive(t, config, { log, only });
  const position = async () => (await log.groups('telemetry')).find(({ group }) => group === 'archive')?.offset ?? 0n;
  for (const [first, last] of [
    [1, 150],
    [151, 250],
    [251, 390],
  ] as const) {
    await log.append('telemetry', telemetry(first, last));
    await eventually('the batch is read', () => archive.counts().objects === Math.floor((last - 1) / 200));
    assert.ok((await position()) <= BigInt(Math.floor((last - 1) / 200) * 200));
  }
  assert.equal(await position(), 150n);
  await archive.stop();
  assert.equal(await position(), 391n);
});

test('A4: exactly one row of each identity is no redelivery, over runs and restarts', async t => {
  const config = configIn(await temporaryFolder(t), smallRuns);
  const log = await openLog(t, config);
  let { archive } = await openArchive(t, config, { log, only: [...only, 'command'] });
  await log.append('telemetry', [...telemetry(1, 300), ...telemetry(250, 320), ...telemetry(400, 410)]);
  await archive.stop();
  ({ archive } = await openArchive(t, config, { log, only: [...only, 'command'] }));
  await log.append('telemetry', [...telemetry(310, 405), ...telemetry(5, 5, { epoch: newerEpoch })]);
  await log.append('telemetry', telemetry(7, 7, { droneId: 'nyc-0008' }));
  // A stream of two kinds counts each by itself; a command has no number.
  const commands = [record('ack', { seq: 1 }), record('command'), record('ack', { seq: 1 }), record('command')];
  await log.append('command', commands);
  await archive.stop();
  const sql = `select drone_id, epoch, kind, count(distinct seq) as seqs, count_if(not redelivery) as firsts, count(*) as n
    from $files group by all order by all`;
  assert.deepEqual(await query(config.DATA_DIR, 'telemetry', sql), [
    { drone_id: 'nyc-0007', epoch, kind: 'telemetry', seqs: 410n, firsts: 410n, n: 478n },
    { drone_id: 'nyc-0007', epoch: newerEpoch, kind: 'telemetry', seqs: 1n, firsts: 1n, n: 1n },
    { drone_id: 'nyc-0008', epoch, kind: 'telemetry', seqs: 1n, firsts: 1n, n: 1n },
  ]);
  const redelivered = 'select kind, redelivery from $files order by "offset"';
  assert.deepEqual(await query(config.DATA_DIR, 'command', redelivered), [
    { kind: 'ack', redelivery: false },
    { kind: 'command', redelivery: false },
    { kind: 'ack', redelivery: true },
    { kind: 'command', redelivery: false },
  ]);
});

test('a gap in the log stops the partition and names the range; the others of its stream go on', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config, { partitions: { telemetry: 2 } });
  const broken = logWith(log, {
    async *read(stream, options) {
      const [first] = await log.ends(stream);
      const from = await options.from!(0, first!);
      if (from! < first!.end) throw logErrors.GAP({ stream, partition: 0, from: 5n, to: 9n });
      yield* log.read(stream, options);
    },
  });
  await log.append('telemetry', telemetry(1, 5), 0);
  const { archive } = await openArchive(t, config, { log: broken, only: ['telemetry'] });
  await eventually('the partition stops', () => !archive.health().ok);
  assert.match(archive.health().problem!, /^telemetry partition 0 .*lacks the offsets 5 to 9/);
  await log.append('telemetry', [...telemetry(6, 7), markRecord('test')], 1);
  await eventually('the other goes on', () => archive.counts().recordsArchived === 2);
  await archive.stop();
});

test('a store or log that fails for a while is tried again, and /health says so until then', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const real = await openObjectStore(config);
  let down = false;
  let reads = 0;
  const objects: ObjectStore = {
    ...real,
    put(key, source) {
      if (down) return Promise.reject(objectErrors.UNAVAILABLE({ key, reason: 'no room' }));
      return real.put(key, source);
    },
  };
  const flaky = logWith(log, {
    read(stream, options) {
      reads++;
      if (reads <= 3) throw logErrors.UNAVAILABLE({ reason: 'leader moved' });
      return log.read(stream, options);
    },
  });
  const { archive } = await openArchive(t, config, { log: flaky, only, objects });
  down = true;
  await log.append('telemetry', [...telemetry(1, 5), markRecord('test')]);
  await eventually('the failure shows', () => archive.health().problem?.includes('no room'));
  down = false;
  await eventually('the object', () => archive.counts().objects === 1);
  assert.equal(archive.health().problem, undefined);
  await archive.stop();
});

test('a time zone that nobody knows is refused at the start', async t => {
  const config = configIn(await temporaryFolder(t), { ARCHIVE_TIME_ZONE: 'America/Gotham' });
  const log = await openLog(t, config);
  await assert.rejects(openArchive(t, config, { log, only }), error => hasCode(error, 'ARCHIVE_TIME_ZONE'));
});

test('a record of the day before and one of today never share an object', async t => {
  const config = configIn(await temporaryFolder(t), { ARCHIVE_RUN_WINDOW_SECONDS: '86400' });
  let nowMs = Date.UTC(2026, 10, 21, 23, 59, 59, 999);
  const log = await openLog(t, config, { now: () => nowMs });
  await log.append('telemetry', telemetry(1, 1));
  nowMs += 1;
  await log.append('telemetry', telemetry(2, 2));
  const { archive, objects } = await openArchive(t, config, { log, only });
  await archive.stop();
  const days = (await keysIn(objects, 'archive/telemetry/')).map(key => /dt=([\d-]+)/.exec(key)![1]);
  assert.deepEqual(days, ['2026-11-21', '2026-11-22']);
});
