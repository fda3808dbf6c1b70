import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markRecord } from '../../../log/record.ts';
import { sha256Of } from '../manifest.ts';
import {
  configIn,
  entriesOf,
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
