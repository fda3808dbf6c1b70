import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { markRecord } from '../../../log/record.ts';
import type { ObjectStore } from '../object-store.ts';
import { openObjectStore } from '../open.ts';
import {
  configIn,
  contentOf,
  entriesOf,
  eventually,
  keysIn,
  openArchive,
  openLog,
  query,
  record,
  smallRuns,
  telemetry,
  temporaryFolder,
} from './archive-scene.ts';

const only = ['telemetry', 'violation'];

/** A store as an archiver sees it that listed it before another one wrote its objects. */
function blindToObjects(objects: ObjectStore): ObjectStore {
  return {
    ...objects,
    async *list(prefix) {
      if (!prefix.startsWith('archive/')) yield* objects.list(prefix);
    },
  };
}

test('A3: an object without an entry gets the same entry again, at the start and from the log', async t => {
  const config = configIn(await temporaryFolder(t), smallRuns);
  const log = await openLog(t, config);
  const first = await openArchive(t, config, { log, only });
  await log.append('telemetry', [...telemetry(1, 500), ...telemetry(300, 350), ...telemetry(900, 910)]);
  await first.archive.stop();
  const complete = await contentOf(first.objects);
  const entries = (await keysIn(first.objects, 'manifest/telemetry/')).map(key => join(config.DATA_DIR, key));

  // Killed between object and entry: at the start it is made from the object alone.
  for (const path of entries.slice(1)) await rm(path);
  const second = await openArchive(t, config, { log, only });
  assert.deepEqual(await contentOf(second.objects), complete);
  await second.archive.stop();

  // Another archiver got ahead: the object is there when this one has written its own.
  for (const path of entries) await rm(path);
  const real = await openObjectStore(config);
  const third = await openArchive(t, config, { log, only, objects: blindToObjects(real) });
  await third.archive.stop();
  assert.equal(third.archive.health().problem, undefined);
  assert.deepEqual(await contentOf(real), complete);
});

test('A3: another content under the name stops that partition, loudly, and no other', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  await log.append('telemetry', [...telemetry(1, 10), markRecord('test')]);
  const first = await openArchive(t, config, { log, only });
  await first.archive.stop();
  const [object] = await keysIn(first.objects, 'archive/telemetry/');
  const [entry] = await keysIn(first.objects, 'manifest/telemetry/');
  await rm(join(config.DATA_DIR, entry!));
  await writeFile(join(config.DATA_DIR, object!), 'not what was there');
  const bytes = createHash('sha256').update('not what was there').digest('hex');

  const real = await openObjectStore(config);
  const { archive } = await openArchive(t, config, { log, only, objects: blindToObjects(real) });
  await log.append('violation', [record('violation', { seq: 1 }), markRecord('test')]);
  await eventually('the partition stops', () => !archive.health().ok);
  await eventually('the other stream goes on', () => archive.counts().objects === 1);
  assert.match(
    archive.health().problem!,
    /^telemetry partition 0 .*p0-[0-9a-f]{8}-0{20}\.parquet holds something else/,
  );
  await archive.stop();
  assert.equal((await contentOf(real, 'archive/telemetry/'))[object!], bytes);
  assert.deepEqual(await keysIn(real, 'manifest/telemetry/'), []);
});

test('A3: the same run of other records is another content, however alike its name and counts are', async t => {
  const [left, right] = [await temporaryFolder(t), await temporaryFolder(t)];
  const empty = await openLog(t, configIn(left));
  await empty.close();
  await cp(join(left, 'log'), join(right, 'log'), { recursive: true }); // the same log id
  const keys: string[] = [];
  for (const [dataDir, lat] of [
    [left, 40.7],
    [right, 40.8],
  ] as const) {
    const log = await openLog(t, configIn(dataDir));
    await log.append('telemetry', [...telemetry(1, 10, { lat }), markRecord('test')]);
    const { archive, objects } = await openArchive(t, configIn(dataDir), { log, only });
    await archive.stop();
    keys.push(...(await keysIn(objects, 'archive/telemetry/')), ...(await keysIn(objects, 'manifest/telemetry/')));
    await log.close();
  }
  const [object, entry] = keys;
  assert.deepEqual(keys.slice(2), [object, entry]);
  await cp(join(right, object!), join(left, object!));
  await rm(join(left, entry!));
  const log = await openLog(t, configIn(left));
  const objects = blindToObjects(await openObjectStore(configIn(left)));
  const { archive } = await openArchive(t, configIn(left), { log, only, objects });
  await eventually('the partition stops', () => archive.health().problem?.includes('holds something else'));
  await archive.stop();
});

test('L1: a new log is read from its start, and its drones’ repeats are still known', async t => {
  const config = configIn(await temporaryFolder(t));
  const before = await openLog(t, config);
  await before.append('telemetry', telemetry(1, 10));
  const first = await openArchive(t, config, { log: before, only });
  await first.archive.stop();
  await before.close();
  await rm(join(config.DATA_DIR, 'log'), { recursive: true });

  const log = await openLog(t, config);
  await log.append('telemetry', telemetry(9, 12));
  const second = await openArchive(t, config, { log, only });
  await second.archive.stop();
  assert.equal(second.archive.health().problem, undefined);
  const sql = 'select seq from $files where not redelivery order by seq';
  const rows = await query(config.DATA_DIR, 'telemetry', sql);
  assert.deepEqual(
    rows.map(({ seq }) => Number(seq)),
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
  const complete = await contentOf(second.objects);
  const entries = await entriesOf(second.objects, 'telemetry');
  assert.deepEqual(
    entries.map(({ previous, from }) => [previous, from]),
    [
      [undefined, 0n],
      [undefined, 0n],
    ],
  );
  const follower = entries.find(({ follows }) => follows !== undefined)!;
  const [removed] = (await keysIn(second.objects, 'manifest/telemetry/')).filter(key => key !== follower.follows);
  await rm(join(config.DATA_DIR, removed!));
  const third = await openArchive(t, config, { log, only });
  await third.archive.stop();
  assert.deepEqual(await contentOf(third.objects), complete);
});

test('L1: the same log without the records that are archived stops the partition and names the range', async t => {
  const config = configIn(await temporaryFolder(t));
  const before = await openLog(t, config);
  await before.append('telemetry', telemetry(1, 10));
  const first = await openArchive(t, config, { log: before, only });
  await first.archive.stop();
  await before.close();
  await rm(join(config.DATA_DIR, 'log', 'telemetry'), { recursive: true });

  const log = await openLog(t, config);
  await log.append('telemetry', telemetry(11, 13));
  const { archive } = await openArchive(t, config, { log, only });
  assert.match(archive.health().problem!, /^telemetry partition 0 .* the offsets 3 to 11 \(exclusive; past-end\)/);
  await log.append('violation', [record('violation', { seq: 1 }), markRecord('test')]);
  await eventually('the other stream goes on', () => archive.counts().objects === 1);
  await archive.stop();
});
