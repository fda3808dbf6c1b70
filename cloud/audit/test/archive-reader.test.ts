import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import type { ObjectStore } from '../../archive/object-store.ts';
import type { ArchivedObject } from '../archive-listing.ts';
import { createArchiveReader } from '../archive-reader.ts';
import { openEngine } from '../engine.ts';
import type { RejectedRun } from '../rejections.ts';
import { type ArchivedRun, Sightings } from '../sightings.ts';

const epoch = '01K0N1V7Z0J8Q4S6T2W9X3Y5AB';
const series = { droneId: 'nyc-0001', epoch, kind: 'telemetry' };

/** Parquet files written by SQL, with the archive's common columns. `inPlace` false: as in a store that no engine reads. */
async function openFiles(t: TestContext, queries: readonly string[], { inPlace = true } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'prestacop-reader-'));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const objects: ArchivedObject[] = [];
  for (const [index, query] of queries.entries()) {
    const key = `${index}.parquet`;
    await connection.run(`copy (${query}) to '${join(folder, key)}' (format parquet)`);
    objects.push({
      key,
      partition: 0,
      log8: '00000000',
      from: BigInt(index * 100),
      next: undefined,
      sha256: undefined,
      pack: undefined,
    });
  }
  connection.closeSync();
  instance.closeSync();
  const store: ObjectStore = {
    put: () => Promise.reject(new Error('the audit writes nothing')),
    get: key => readFile(join(folder, key)),
    remove: () => Promise.reject(new Error('the audit removes nothing')),
    async *list() {},
    locate: key => (inPlace ? join(folder, key) : undefined),
  };
  const engine = await openEngine(store, t.signal);
  t.after(async () => {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { folder, objects, reader: createArchiveReader(engine) };
}

function telemetry(from: number, to: number, offset: number, redelivery = false): string {
  return `select 0 as partition, ${offset} + seq - ${from} as "offset", 'nyc-0001' as key, '${epoch}' as epoch,
    'telemetry' as kind, seq, ${redelivery} as redelivery from range(${from}, ${to} + 1) as numbers(seq)`;
}

const mixed = `${telemetry(1, 5, 0)} union all ${telemetry(8, 9, 5)} union all ${telemetry(4, 5, 7, true)}`;

for (const inPlace of [true, false]) {
  test(`runs come out as ranges, ${inPlace ? 'read in place' : 'through get'}`, async t => {
    const { objects, reader } = await openFiles(t, [mixed, telemetry(10, 30, 9)], { inPlace });
    const sightings = new Sightings();
    const runs: ArchivedRun[] = [];
    const damaged = await reader.runs(objects, run => {
      runs.push(run);
      sightings.addArchived(run);
    });
    assert.deepEqual(damaged, []);
    assert.equal(runs.length, 3);
    const { archived, redelivered, doubled } = sightings.of(series);
    assert.deepEqual(
      [archived.ranges, redelivered, doubled],
      [
        [
          [1, 5],
          [8, 30],
        ],
        2,
        0,
      ],
    );
    assert.deepEqual(await reader.locate(objects, series, 12), { object: '1.parquet', offset: 11n });
    assert.equal(await reader.locate(objects, series, 7), undefined);
  });
}

test('a file that is cut short or gone is named, and the others count', async t => {
  const { folder, objects, reader } = await openFiles(t, [
    telemetry(1, 9, 0),
    telemetry(10, 20, 9),
    telemetry(21, 30, 20),
  ]);
  await truncate(join(folder, '0.parquet'), 60);
  await rm(join(folder, '2.parquet'));
  assert.ok(existsSync(join(folder, '1.parquet')));
  const sightings = new Sightings();
  const damaged = await reader.runs(objects, run => sightings.addArchived(run));
  assert.deepEqual(
    damaged.map(({ object }) => object),
    ['0.parquet', '2.parquet'],
  );
  assert.deepEqual(sightings.of(series).archived.ranges, [[10, 20]]);
});

test('rejections come out by drone, kind and reason, with their numbers where headers tell them', async t => {
  const row = (offset: number, seq: string) =>
    `select 0 as partition, ${offset} as "offset", 'nyc-0001' as key,
      map {'droneId': 'nyc-0001', 'kind': 'telemetry', 'epoch': '${epoch}', 'reason': 'INVALID'${seq}} as headers`;
  const { objects, reader } = await openFiles(t, [
    [row(0, ", 'seq': '4'"), row(1, ", 'seq': '5'"), row(2, ", 'seq': '5'"), row(3, ", 'seq': '9'"), row(4, '')].join(
      ' union all ',
    ),
  ]);
  const found: RejectedRun[] = [];
  await reader.rejected(objects, run => found.push(run));
  assert.deepEqual(
    found
      .map(({ first, last, count, offset }) => [first, last, count, offset])
      .sort(([, , , a], [, , , b]) => Number((a as bigint) - (b as bigint))),
    [
      [4, 5, 3, 0n],
      [9, 9, 1, 3n],
      [undefined, undefined, 1, 4n],
    ],
  );
});

test("a device's states come out as the greatest counts it claimed", async t => {
  const payload = (made: number, lowest: string) =>
    `'{"fleet":"fra","epoch":"${epoch}","kinds":{"telemetry":{"made":${made},"refused":1${lowest}}}}'::blob`;
  const row = (offset: number, made: number, lowest = '') =>
    `select 0 as partition, ${offset} as "offset", 'fra-0001' as key, map {'kind': 'state'} as headers, ${payload(made, lowest)} as payload`;
  const { objects, reader } = await openFiles(t, [
    [row(0, 9), row(1, 20, ',"lowestUnacknowledged":15'), row(2, 0)].join(' union all '),
  ]);
  const claims: object[] = [];
  await reader.states(objects, claim => claims.push(claim));
  assert.deepEqual(claims, [
    { droneId: 'fra-0001', fleet: 'fra', epoch, kind: 'telemetry', made: 20, acknowledged: 14, refused: 1 },
  ]);
});
