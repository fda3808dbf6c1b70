import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../../core/logging.ts';
import { createMetrics } from '../../../core/metrics.ts';
import { type EventLog, logErrors } from '../../../log/event-log.ts';
import { startArchive } from '../../archive/archive.ts';
import type { ObjectStore } from '../../archive/object-store.ts';
import { openObjectStore } from '../../archive/open.ts';
import { type AuditReport, audit } from '../audit.ts';
import { openScene, type Scene, stateRecord } from './scene.ts';

/** Three objects of 50 records in `telemetry`, one of `violation`, all archived. */
async function openArchived(t: TestContext): Promise<Scene & { objects: ObjectStore; archive(): Promise<void> }> {
  const scene = await openScene(t, { ARCHIVE_RUN_MAX_RECORDS: '50', ARCHIVE_RUN_WINDOW_SECONDS: '86400' });
  const objects = await openObjectStore(scene.config);
  const archive = async () => {
    const deps = { log: scene.log, objects, logger: silentLogger, metrics: createMetrics() };
    const service = await startArchive(scene.config, deps);
    await service.stop();
  };
  await scene.send('nyc-0001', 'telemetry', 1, 75);
  await scene.send('nyc-0002', 'telemetry', 1, 75);
  await scene.send('nyc-0001', 'violation', 1, 5);
  await archive();
  return { ...scene, objects, archive };
}

function auditOf(t: TestContext, { dataDir, log }: Scene, objects: ObjectStore, verify = false): Promise<AuditReport> {
  return audit({ dataDir, log, objects, verify, signal: t.signal });
}

async function keysOf(objects: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(prefix)) keys.push(key);
  return keys;
}

function named({ gaps }: AuditReport): string[] {
  return gaps.map(({ what, droneId, kind, from, to }) => `${what} ${droneId} ${kind} ${from}-${to}`);
}

test('archive and log together balance, also with what was delivered twice', async t => {
  const { objects, archive, ...scene } = await openArchived(t);
  await scene.deliver('nyc-0001', 'telemetry', 70, 75);
  await archive();
  await scene.send('nyc-0001', 'telemetry', 76, 80);
  const report = await auditOf(t, scene, objects, true);
  const { archived, inLog, redelivered, doubled, acknowledged } = report.total;
  assert.deepEqual(
    { archived, inLog, redelivered, doubled, acknowledged },
    { archived: 155, inLog: 5, redelivered: 6, doubled: 0, acknowledged: 160 },
  );
  assert.deepEqual([report.gaps, report.holes, report.damaged], [[], [], []]);
  assert.equal(report.ok, true);
});

test('a deleted Parquet object makes exactly its messages missing, and is named as their hole', async t => {
  const { objects, ...scene } = await openArchived(t);
  const [, second] = await keysOf(objects, 'archive/telemetry/');
  await rm(objects.locate(second!)!);
  const report = await auditOf(t, scene, objects);
  assert.deepEqual(named(report), ['missing nyc-0001 telemetry 51-75', 'missing nyc-0002 telemetry 1-25']);
  assert.deepEqual(report.holes, [
    { stream: 'telemetry', partition: 0, where: 'archive', from: 50n, to: 100n, object: second },
  ]);
  assert.match(
    report.gaps[0]!.lastSeen,
    new RegExp(`acknowledged; 50 is in archive/.* at offset 49; .*${second} is gone`),
  );
  assert.equal(report.ok, false);
});

test('an object that is deleted with its manifest entry leaves a broken chain, which names its offsets', async t => {
  const { objects, ...scene } = await openArchived(t);
  const [, object] = await keysOf(objects, 'archive/telemetry/');
  const [, entry] = await keysOf(objects, 'manifest/telemetry/');
  await rm(objects.locate(object!)!);
  await rm(objects.locate(entry!)!);
  const report = await auditOf(t, scene, objects);
  assert.deepEqual(named(report), ['missing nyc-0001 telemetry 51-75', 'missing nyc-0002 telemetry 1-25']);
  assert.deepEqual(report.holes, [{ stream: 'telemetry', partition: 0, where: 'archive', from: 50n, to: 100n }]);
});

test('a damaged Parquet object is named, and what it held is missing', async t => {
  const { objects, ...scene } = await openArchived(t);
  const [first] = await keysOf(objects, 'archive/violation/');
  await truncate(objects.locate(first!)!, 100);
  const report = await auditOf(t, scene, objects);
  assert.deepEqual(named(report), ['missing nyc-0001 violation 1-5']);
  assert.ok(report.damaged.some(({ object }) => object === first));
  assert.match(report.gaps[0]!.lastSeen, /cannot be read/);
});

test('a device is judged by a state that is in the archive already', async t => {
  const { objects, archive, ...scene } = await openArchived(t);
  await scene.deliver('fra-0001', 'telemetry', 1, 3);
  await scene.log.append('state', [stateRecord('fra-0001', { telemetry: { made: 4, refused: 0 } })]);
  await archive();
  const report = await auditOf(t, scene, objects);
  assert.deepEqual(named(report), ['missing fra-0001 telemetry 4-4']);
  assert.deepEqual(report.judgedByState, ['fra-0001']);
});

test('a flipped bit in an object is found by its digest', async t => {
  const { objects, ...scene } = await openArchived(t);
  const [first] = await keysOf(objects, 'archive/violation/');
  const path = objects.locate(first!)!;
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
  const { ok, damaged } = await auditOf(t, scene, objects, true);
  assert.equal(ok, false);
  assert.ok(damaged.some(({ object, problem }) => object === first && /SHA-256/.test(problem)));
});

test('what the archiver stored and retention removed since the listing is read from the archive, not called a gap', async t => {
  const { objects, ...scene } = await openArchived(t);
  let listings = 0;
  const laterObjects: ObjectStore = {
    ...objects,
    async *list(prefix) {
      if (prefix === 'manifest/telemetry/') listings++;
      for await (const entry of objects.list(prefix)) {
        if (listings > 1 || !prefix.endsWith('/telemetry/') || /-0{20}\./.test(entry.key)) yield entry;
      }
    },
  };
  const retained: EventLog = {
    ...scene.log,
    fetch(stream, partition, offset, options) {
      if (stream === 'telemetry') throw logErrors.GAP({ stream, partition, from: offset, to: 150n });
      return scene.log.fetch(stream, partition, offset, options);
    },
  };
  const report = await auditOf(t, { ...scene, log: retained }, laterObjects);
  assert.equal(listings, 2);
  assert.deepEqual([report.gaps, report.holes], [[], []]);
  assert.equal(report.kinds.telemetry!.archived, 150);
});

test('L1: a log that was replaced is named with the end of its archived part', async t => {
  const { objects, ...scene } = await openArchived(t);
  const other = await openScene(t);
  const report = await auditOf(t, { ...scene, log: other.log }, objects);
  assert.equal(report.ok, true);
  assert.deepEqual(
    report.earlierLogs.map(({ stream, partition, archivedTo }) => ({ stream, partition, archivedTo })),
    [
      { stream: 'telemetry', partition: 0, archivedTo: 151n },
      { stream: 'violation', partition: 0, archivedTo: 6n },
    ],
  );
});

test('L1: a log that ends before its own archive has lost records, and the range is named', async t => {
  const { objects, ...scene } = await openArchived(t);
  const cut: EventLog = {
    ...scene.log,
    ends: async stream => (await scene.log.ends(stream)).map(entry => ({ ...entry, end: entry.end && entry.end - 1n })),
  };
  const report = await auditOf(t, { ...scene, log: cut }, objects);
  assert.equal(report.ok, false);
  assert.deepEqual(report.holes, [
    { stream: 'telemetry', partition: 0, where: 'log', from: 150n, to: 151n },
    { stream: 'violation', partition: 0, where: 'log', from: 5n, to: 6n },
  ]);
});
