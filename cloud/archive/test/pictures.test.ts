import assert from 'node:assert/strict';
import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import { sha256Of } from '../manifest.ts';
import type { ObjectStore } from '../object-store.ts';
import { type FindOptions, findPictures, type PictureRef, pictureStreams, readPicture } from '../pictures.ts';
import { configIn, keysIn, openArchive, openLog, pictures, temporaryFolder } from './archive-scene.ts';

/** Images and frames over several packs and two days, and a store that is asked for them. */
async function openScene(t: TestContext) {
  const config = configIn(await temporaryFolder(t), { ARCHIVE_RUN_MAX_BYTES: '20000' });
  let nowMs = Date.UTC(2026, 10, 21, 12);
  const log = await openLog(t, config, { now: () => nowMs });
  const { archive, objects } = await openArchive(t, config, { log, only: pictureStreams });
  const images = pictures('image', 1, 20);
  const frames = pictures('frame', 21, 60);
  await log.append('image', images);
  await log.append('frame', frames.slice(0, 20));
  nowMs += 24 * 3600 * 1000;
  await log.append('frame', frames.slice(20));
  await archive.stop();
  const sent = [...images, ...frames].map(({ payload }) => ({ id: sha256Of(payload), payload }));
  return { config, objects, sent };
}

async function found(
  t: TestContext,
  objects: ObjectStore,
  ids: readonly string[],
  options: Partial<FindOptions> = {},
): Promise<PictureRef[]> {
  const onDamaged = (object: string, problem: string) => assert.fail(`${object}: ${problem}`);
  const refs: PictureRef[] = [];
  for await (const ref of findPictures(objects, ids, { signal: t.signal, onDamaged, ...options })) refs.push(ref);
  return refs;
}

test('every picture is found by its id and read back by one range read', async t => {
  const { objects, sent } = await openScene(t);
  const ids = sent.map(({ id }) => id);
  for (const store of [objects, { ...objects, locate: () => undefined }]) {
    const refs = await found(t, store, [...ids, 'f'.repeat(64)]);
    assert.deepEqual(
      refs.map(({ imageId }) => imageId),
      ids,
    );
    const ranges: unknown[] = [];
    const counting: ObjectStore = {
      ...store,
      get(key, range) {
        ranges.push(range);
        return store.get(key, range);
      },
    };
    for (const [index, ref] of refs.entries()) {
      assert.deepEqual(Buffer.from(await readPicture(counting, ref)), sent[index]!.payload);
    }
    assert.deepEqual(
      ranges,
      refs.map(({ position, length }) => ({ start: position, end: position + length })),
    );
  }
  assert.deepEqual(await found(t, objects, []), []);
});

test('a search is narrowed by stream and day, and says what the log and the topic know', async t => {
  const { objects, sent } = await openScene(t);
  const ids = sent.map(({ id }) => id);
  const frames = await found(t, objects, ids, { streams: ['frame'] });
  assert.equal(frames.length, 40);
  const { pack, ...first } = frames[0]!;
  assert.deepEqual(first, {
    imageId: ids[20],
    stream: 'frame',
    partition: 0,
    offset: 0n,
    receivedAtMs: Date.UTC(2026, 10, 21, 12),
    droneId: 'nyc-0000',
    contentType: 'image/jpeg',
    position: 0,
    length: sent[20]!.payload.length,
  });
  assert.match(pack, /^pack\/frame\/dt=2026-11-21\//);
  const looked: number[] = [];
  const days = { from: '2026-11-22', to: '2026-11-30' };
  const later = await found(t, objects, ids, { days, onProgress: (_, indexes) => looked.push(indexes) });
  assert.deepEqual(
    later.map(({ imageId }) => imageId),
    ids.slice(40),
  );
  assert.deepEqual(looked, [(await keysIn(objects, 'archive/frame/dt=2026-11-22/')).length]);
});

test('one damaged byte is named by pack, position and id, and the pictures beside it are intact', async t => {
  const { config, objects, sent } = await openScene(t);
  const refs = await found(t, objects, [sent[0]!.id, sent[1]!.id]);
  const [damaged, beside] = refs as [PictureRef, PictureRef];
  const file = await open(join(config.DATA_DIR, damaged.pack), 'r+');
  await file.write(Buffer.from('!'), 0, 1, damaged.position + damaged.length - 1);
  await file.close();
  await assert.rejects(readPicture(objects, damaged), error => {
    const { pack, position, imageId } = damaged;
    assert.ok(hasCode(error, 'ARCHIVE_PICTURE_DAMAGED'));
    return [pack, `position ${position} `, imageId].every(part => error.message.includes(part));
  });
  assert.equal((await readPicture(objects, beside)).length, beside.length);
  for (const change of [{ length: damaged.length - 1 }, { position: 1 }, { position: 1e9 }]) {
    await assert.rejects(readPicture(objects, { ...beside, ...change }), error =>
      hasCode(error, 'ARCHIVE_PICTURE_DAMAGED'),
    );
  }
  await rm(join(config.DATA_DIR, beside.pack));
  await assert.rejects(readPicture(objects, beside), error => hasCode(error, 'ARCHIVE_PICTURE_DAMAGED'));
});

test('an index that cannot be read is named, and the others are searched', async t => {
  const { config, objects, sent } = await openScene(t);
  const [index] = await keysIn(objects, 'archive/image/');
  await rm(join(config.DATA_DIR, index!));
  await writeFile(join(config.DATA_DIR, index!), 'no Parquet');
  const damaged: string[] = [];
  const ids = sent.map(({ id }) => id);
  const refs = await found(t, objects, ids, { onDamaged: object => damaged.push(object) });
  assert.deepEqual(damaged, [index]);
  assert.ok(refs.length > 40 && refs.length < 60);
});
