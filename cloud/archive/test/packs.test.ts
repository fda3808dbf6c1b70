import assert from 'node:assert/strict';
import { cp, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { EventLog } from '../../../log/event-log.ts';
import { markRecord } from '../../../log/record.ts';
import { sha256Of } from '../manifest.ts';
import { type ObjectStore, objectErrors } from '../object-store.ts';
import { openObjectStore } from '../open.ts';
import {
  configIn,
  contentOf,
  entriesOf,
  eventually,
  jpeg,
  keysIn,
  openArchive,
  openLog,
  pictureRecord,
  pictures,
  query,
  temporaryFolder,
} from './archive-scene.ts';

const only = ['image', 'frame'];
const smallPacks = { ARCHIVE_RUN_MAX_BYTES: '20000' };

test('A2: a pack holds the run’s payloads one after the other, and index, footer and entry name it', async t => {
  const config = configIn(await temporaryFolder(t), smallPacks);
  const log = await openLog(t, config);
  const { archive, objects } = await openArchive(t, config, { log, only });
  const sent = pictures('frame', 1, 40);
  await log.append('frame', sent.slice(0, 25));
  await log.append('frame', [markRecord('test'), ...sent.slice(25)]);
  await archive.stop();
  assert.equal(archive.health().problem, undefined);

  const entries = await entriesOf(objects, 'frame');
  assert.ok(entries.length > 3);
  let at = 0;
  for (const { object, pack, count, from } of entries) {
    const run = Buffer.concat(sent.slice(at, at + count).map(({ payload }) => payload));
    at += count;
    const sha256 = sha256Of(run);
    assert.ok(run.length <= 20_000);
    const [, day, name] = /^archive\/frame\/(dt=[\d-]+)\/(.*)\.parquet$/.exec(object)!;
    const key = `pack/frame/${day}/${name}-${sha256.slice(0, 16)}.pack`;
    assert.deepEqual(pack, { key, bytes: run.length, sha256 });
    assert.equal(sha256Of(await objects.get(key)), sha256);
    assert.ok(name!.endsWith(String(from)));
  }
  assert.equal(at, sent.length);
  assert.deepEqual(
    await keysIn(objects, 'pack/'),
    entries.map(({ pack }) => pack!.key),
  );
});

test('a pack of more than is read from the log at once holds every byte where the index says', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const sent = Array.from({ length: 40 }, (_, number) => jpeg(number, 100_000 + number));
  for (const picture of sent) await log.append('frame', [pictureRecord('frame', picture)]);
  const { archive, objects } = await openArchive(t, config, { log, only });
  await archive.stop();
  const [entry] = await entriesOf(objects, 'frame');
  assert.equal(entry!.count, sent.length);
  assert.ok(Buffer.concat(sent).equals(await objects.get(entry!.pack!.key)));
});

test('the index alone says where each picture’s bytes are, and holds every other column of an archived stream', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const { archive, objects } = await openArchive(t, config, { log, only });
  const [first, second] = [jpeg(1), jpeg(2, 5000)];
  const sent = [pictureRecord('image', first), pictureRecord('image', second, 'nyc-0008')];
  await log.append('image', [...sent, sent[0]!, { key: 'odd', headers: {}, payload: new Uint8Array(0) }]);
  await archive.stop();
  const rows = await query(
    config.DATA_DIR,
    'image',
    'from $files select * exclude (received_at, dt) order by "offset"',
  );
  const [pack] = await keysIn(objects, 'pack/image/');
  const row = (offset: bigint, position: bigint, payload: Buffer, droneId: string) => ({
    partition: 0,
    offset,
    key: droneId,
    headers: rows[Number(offset)]!.headers,
    kind: 'image',
    redelivery: false,
    drone_id: droneId,
    fleet: 'nyc',
    image_id: sha256Of(payload),
    content_type: 'image/jpeg',
    pack,
    position,
    length: payload.length,
  });
  const none = { drone_id: null, fleet: null, image_id: null, content_type: null };
  assert.deepEqual(rows, [
    row(0n, 0n, first, 'nyc-0007'),
    row(1n, 2000n, second, 'nyc-0008'),
    row(2n, 7000n, first, 'nyc-0007'),
    { ...row(3n, 9000n, Buffer.alloc(0), 'odd'), kind: null, ...none },
  ]);
});

/** A log of frames in several runs, closed by a mark, and what one undisturbed archiver makes of it elsewhere. */
async function openFrames(t: TestContext) {
  const log = await openLog(t, configIn(await temporaryFolder(t)));
  for (let first = 1; first <= 61; first += 20) await log.append('frame', pictures('frame', first, first + 19));
  await log.append('frame', [markRecord('test')]);
  const { archive, objects } = await openArchive(t, configIn(await temporaryFolder(t), smallPacks), { log, only });
  await archive.stop();
  const undisturbed = await contentOf(objects);
  const packs = Object.keys(undisturbed).filter(key => key.startsWith('pack/'));
  assert.ok(packs.length > 5);
  return { log, undisturbed, packs };
}

async function archiveAll(t: TestContext, log: EventLog, dataDir: string): Promise<Record<string, string>> {
  const { archive, objects } = await openArchive(t, configIn(dataDir, smallPacks), { log, only });
  await archive.stop();
  assert.equal(archive.health().problem, undefined);
  return contentOf(objects);
}

test('A2: nothing is committed without its pack, and a failure behind the pack leaves what one undisturbed does', async t => {
  const { log, undisturbed } = await openFrames(t);
  for (const failing of ['pack/', 'archive/frame/', 'manifest/']) {
    const dataDir = await temporaryFolder(t);
    const config = configIn(dataDir, smallPacks);
    const real = await openObjectStore(config);
    let isDown = true;
    let refused = 0;
    const objects: ObjectStore = {
      ...real,
      put(key, source) {
        if (!isDown || !key.startsWith(failing)) return real.put(key, source);
        refused++;
        return Promise.reject(objectErrors.UNAVAILABLE({ key, reason: 'no room' }));
      },
    };
    const { archive } = await openArchive(t, config, { log, only, objects });
    await eventually('it has tried again', () => refused >= 2);
    const present = await keysIn(real, '');
    const count = (area: string) => present.filter(key => key.startsWith(area)).length;
    const expected = { 'pack/': [0, 0, 0], 'archive/frame/': [1, 0, 0], 'manifest/': [1, 1, 0] }[failing];
    assert.deepEqual([count('pack/'), count('archive/frame/'), count('manifest/')], expected);
    const killed = await temporaryFolder(t);
    await cp(dataDir, killed, { recursive: true });
    isDown = false;
    await archive.stop();
    assert.deepEqual(await contentOf(real), undisturbed, failing);
    assert.deepEqual(await archiveAll(t, log, killed), undisturbed, failing);
  }
});

test('A3: an entry is restored from its index alone, pack and all', async t => {
  const { log, undisturbed } = await openFrames(t);
  const dataDir = await temporaryFolder(t);
  await archiveAll(t, log, dataDir);
  await rm(join(dataDir, 'manifest'), { recursive: true });
  assert.deepEqual(await archiveAll(t, log, dataDir), undisturbed);
});

test('A3: a pack that is there already is adopted, and one of other bytes stops the partition and stays', async t => {
  const { log, undisturbed, packs } = await openFrames(t);
  const [pack] = packs as [string];
  for (const damage of ['shorter', 'longer', 'other'] as const) {
    const dataDir = await temporaryFolder(t);
    await archiveAll(t, log, dataDir);
    for (const area of ['manifest', 'archive/frame']) await rm(join(dataDir, area), { recursive: true });
    const before = await contentOf(await openObjectStore(configIn(dataDir)), 'pack/');
    assert.equal(Object.keys(before).length, packs.length);
    if (damage === 'other') {
      assert.deepEqual(await archiveAll(t, log, dataDir), undisturbed);
      for (const area of ['manifest', 'archive/frame']) await rm(join(dataDir, area), { recursive: true });
    }
    const path = join(dataDir, pack);
    if (damage === 'shorter') await truncate(path, 500);
    if (damage === 'longer') await writeFile(path, 'x', { flag: 'a' });
    if (damage === 'other') await writeFile(path, 'x', { flag: 'r+' });
    const { archive, objects } = await openArchive(t, configIn(dataDir, smallPacks), { log, only });
    await eventually('the partition stops', () => !archive.health().ok);
    assert.ok(archive.health().problem!.includes(`${pack} holds something else`), archive.health().problem);
    await archive.stop();
    assert.deepEqual(await keysIn(objects, 'archive/frame/'), []);
    assert.notEqual((await contentOf(objects, 'pack/'))[pack], undisturbed[pack]);
  }
});
