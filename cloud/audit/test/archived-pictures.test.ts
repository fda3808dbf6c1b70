import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { run } from '../command.ts';
import {
  openPictureScene,
  type Picture,
  type PictureScene,
  pictureRecord,
  pictures,
  sheetOf,
} from './picture-scene.ts';
import { epoch, stateRecord } from './scene.ts';

interface Archived extends PictureScene {
  frames: Picture[];
  images: Picture[];
  keysOf(prefix: string): Promise<string[]>;
  change(key: string, edit: (bytes: Buffer) => void): Promise<void>;
}

/** Ten frames in two packs and two images in one, each named by a message, all archived. */
async function openArchived(t: TestContext): Promise<Archived> {
  const scene = await openPictureScene(t, { ARCHIVE_RUN_MAX_RECORDS: '5' });
  const frames = pictures('frame', 10);
  const images = pictures('image', 2);
  await scene.store('nyc-0001', 'image', ...images);
  await scene.name('nyc-0001', 'violation', 1, images);
  await scene.name('nyc-0001', 'telemetry', 1, frames.slice(0, 6));
  await scene.name('nyc-0001', 'telemetry', 2, frames.slice(6));
  await scene.store('nyc-0001', 'frame', ...frames);
  await scene.archive();
  return {
    ...scene,
    frames,
    images,
    async keysOf(prefix) {
      const keys: string[] = [];
      for await (const { key } of scene.objects.list(prefix)) keys.push(key);
      return keys;
    },
    async change(key, edit) {
      const path = scene.objects.locate(key)!;
      const bytes = await readFile(path);
      edit(bytes);
      await writeFile(path, bytes);
    },
  };
}

test('archive, log, states and rejections together balance, and with --sample all everything is hashed', async t => {
  const scene = await openArchived(t);
  const [rejected, unproven, late] = pictures('more', 3);
  await scene.log.append('rejected', [
    pictureRecord('nyc-0001', 'frame', rejected!.id, Buffer.from('x'), { reason: 'WRONG_HASH' }),
  ]);
  await scene.log.append('state', [stateRecord('fra-0001', { frame: { made: 1, refused: 0 } })]);
  await scene.name('fra-0001', 'telemetry', 1, [unproven!], { ledger: false });
  await scene.name('nyc-0001', 'telemetry', 3, [rejected!]);
  await scene.store('nyc-0001', 'frame', scene.frames[0]!);
  await scene.archive();
  await scene.store('nyc-0001', 'frame', late!, scene.frames[1]!);
  await scene.name('nyc-0001', 'telemetry', 4, [late!]);
  scene.ledger.exec(`insert into picture_count values ('nyc-0001', 'frame', 'nyc', 12, 12, 0)`);
  const report = await scene.audit({ sample: 'all', verify: true });
  assert.deepEqual(sheetOf(report, 'frame'), {
    named: 13,
    archived: 10,
    inLog: 1,
    rejected: 1,
    unproven: 1,
    redelivered: 2,
    checked: 13,
  });
  assert.deepEqual(sheetOf(report, 'image'), { named: 2, archived: 2, checked: 2 });
  assert.deepEqual([report.damaged, report.holes, report.pictures.missing], [[], [], []]);
  assert.equal(report.ok, true);
});

test('a device that said in an archived state that nothing waits has lost the frame that it named before', async t => {
  const scene = await openPictureScene(t);
  const [frame] = pictures('frame', 1);
  const example = stateRecord('fra-0001', { telemetry: { made: 1, refused: 0 } });
  const state = {
    ...JSON.parse(Buffer.from(example.payload).toString()),
    backlogMessages: 0,
    observedAtMs: Date.now(),
  };
  await scene.name('fra-0001', 'telemetry', 1, [frame!], { ledger: false, observedAtMs: state.observedAtMs - 1 });
  await scene.log.append('state', [{ ...example, payload: Buffer.from(JSON.stringify(state)) }]);
  await scene.archive();
  assert.deepEqual(sheetOf(await scene.audit(), 'frame'), { named: 1, missing: 1 });
});

test('one byte flipped inside a pack: the audit names the picture, by its hash and from the digest of its pack', async t => {
  const scene = await openArchived(t);
  const [, second] = await scene.keysOf('pack/frame/');
  await scene.change(second!, bytes => {
    bytes[250]! ^= 1;
  });
  const picture = {
    kind: 'frame',
    imageId: scene.frames[6]!.id,
    droneId: 'nyc-0001',
    where: `200 bytes at 200 of ${second}`,
    problem: 'its bytes do not hash to its id',
    namedBy: { droneId: 'nyc-0001', epoch, kind: 'telemetry', seq: 2 },
  };
  const hashed = await scene.audit({ sample: 'all' });
  assert.deepEqual(hashed.pictures.damaged, [picture]);
  assert.deepEqual(sheetOf(hashed, 'frame'), { named: 10, archived: 10, checked: 10, damaged: 1 });
  assert.equal(hashed.ok, false);

  const verified = await scene.audit({ sample: 0, verify: true });
  assert.deepEqual(verified.pictures.damaged, [picture]);
  assert.equal(sheetOf(verified, 'frame').checked, 5);
  const [pack] = verified.damaged;
  assert.equal(pack!.object, second);
  assert.match(pack!.problem, /SHA-256 is not .* in it are 5 pictures/);

  const listed = await scene.audit({ sample: 0 });
  assert.deepEqual([listed.ok, sheetOf(listed, 'frame').checked], [true, undefined]);
});

test('a sample hashes as many as asked for, and the same ones with the same seed', async t => {
  const scene = await openArchived(t);
  for (const key of await scene.keysOf('pack/frame/')) await scene.change(key, bytes => bytes.fill(0));
  const chosen = async (seed: number) => {
    const report = await scene.audit({ sample: 3, seed });
    assert.deepEqual(report.pictures.sample, { size: 3, seed });
    const { frame, image } = report.pictures.kinds;
    assert.equal(frame!.checked + image!.checked, 3);
    return report.pictures.damaged.map(({ imageId }) => imageId).join();
  };
  const choices = [await chosen(1), await chosen(1), await chosen(2), await chosen(3)];
  assert.equal(choices[0], choices[1]);
  const { damaged } = (await scene.audit({ sample: 3, verify: true })).pictures.kinds.frame!;
  assert.equal(damaged, 10, 'a picture that is hashed twice counts once');
  assert.ok(new Set(choices).size > 1);
});

test('a deleted pack: the audit names it, and each of its pictures with the message that names it', async t => {
  const scene = await openArchived(t);
  const [first] = await scene.keysOf('pack/frame/');
  const [index] = await scene.keysOf('archive/frame/');
  await rm(scene.objects.locate(first!)!);
  const report = await scene.audit({ sample: 'all', verify: true });
  assert.deepEqual(sheetOf(report, 'frame'), { named: 10, archived: 5, missing: 5, checked: 5 });
  assert.deepEqual(
    new Set(report.pictures.missing.map(({ imageId, namedBy }) => `${imageId} ${namedBy.seq}`)),
    new Set(scene.frames.slice(0, 5).map(({ id }) => `${id} 1`)),
  );
  const third = report.pictures.missing.find(({ imageId }) => imageId === scene.frames[3]!.id)!;
  assert.equal(third.lastSeen, `no longer in its outbox; archived at 600 of ${first}, which is gone`);
  const ids = scene.frames.slice(0, 5).map(({ id }) => id);
  assert.deepEqual(report.damaged, [
    { object: first, problem: `it is gone; in it are 5 pictures by ${index}: ${ids.join(' ')}`, index },
  ]);
  assert.equal(report.ok, false);
});

test('a pack that was cut short lacks the pictures behind the cut, and only these', async t => {
  const scene = await openArchived(t);
  const [first] = await scene.keysOf('pack/frame/');
  await truncate(scene.objects.locate(first!)!, 700);
  const report = await scene.audit({ sample: 'all' });
  assert.deepEqual(
    new Set(report.pictures.missing.map(({ imageId }) => imageId)),
    new Set(scene.frames.slice(3, 5).map(({ id }) => id)),
  );
  assert.match(report.pictures.missing[0]!.lastSeen, /which is 700 bytes long now$/);
  assert.match(report.damaged[0]!.problem, /^it has 700 bytes, and its manifest entry says 1000; in it are 5 pictures/);
});

test('a deleted index: the audit names it, and what only it told of is missing', async t => {
  const scene = await openArchived(t);
  const [index] = await scene.keysOf('archive/frame/');
  await rm(scene.objects.locate(index!)!);
  const report = await scene.audit();
  assert.deepEqual(sheetOf(report, 'frame'), { named: 10, archived: 5, missing: 5, checked: 5 });
  assert.deepEqual(report.holes, [
    { stream: 'frame', partition: 0, where: 'archive', from: 0n, to: 5n, object: index },
  ]);
  assert.match(report.pictures.missing[0]!.lastSeen, new RegExp(`perhaps there: .*${index} is gone$`));
});

test('an index that cannot be read is named once, and what only it told of is missing', async t => {
  const scene = await openArchived(t);
  const [index] = await scene.keysOf('archive/image/');
  await truncate(scene.objects.locate(index!)!, 100);
  const report = await scene.audit({ sample: 'all' });
  assert.deepEqual(sheetOf(report, 'image'), { named: 2, missing: 2 });
  assert.match(report.pictures.missing[0]!.lastSeen, new RegExp(`perhaps there: ${index} cannot be read$`));
  assert.equal(
    report.damaged.filter(({ object }) => object === index).length,
    2,
    'its length, and that it is no Parquet',
  );
});

test('the command prints the pictures for people and for programs', async t => {
  const scene = await openArchived(t);
  const [never] = pictures('never', 1);
  await scene.name('nyc-0001', 'violation', 2, [never!]);
  const runIn = async (...args: string[]) => {
    let stdout = '';
    const code = await run(args, {
      config: scene.config,
      stdout: { write: text => (stdout += text) },
      stderr: { write: () => {} },
      signal: t.signal,
      openLog: async () => scene.log,
      openObjects: async () => scene.objects,
    });
    assert.equal(code, 1);
    return stdout;
  };
  const text = await runIn('--seed', '7');
  assert.match(text, /^ +image +frame$/m);
  assert.match(text, /^missing +1 +0$/m);
  assert.match(text, new RegExp(`^ {2}image ${never!.id} named by drone nyc-0001 epoch ${epoch} violation 2 \\(`, 'm'));
  assert.match(text, /^Pictures: 13 named, 12 hashed \(a sample of 100 .* seed 7, /m);
  assert.match(text, /^NOT BALANCED: .*; of pictures 1 missing, 0 damaged\.\n$/m);
  const report = JSON.parse(await runIn('--json', '--sample', 'all'));
  assert.deepEqual([report.ok, report.pictures.ok, report.pictures.sample.size], [false, false, 'all']);
  assert.deepEqual(report.pictures.missing[0].namedBy, {
    droneId: 'nyc-0001',
    epoch,
    kind: 'violation',
    seq: 2,
  });
});

test('Ctrl-C while packs are read ends the command with 130, and says so', async t => {
  const scene = await openArchived(t);
  const abort = new AbortController();
  let [stdout, stderr] = ['', ''];
  const code = await run(['--sample', 'all'], {
    config: scene.config,
    stdout: { write: text => (stdout += text) },
    stderr: { write: text => (stderr += text) },
    signal: abort.signal,
    openLog: async () => scene.log,
    openObjects: async () => ({
      ...scene.objects,
      get(key, range) {
        if (key.startsWith('pack/')) abort.abort();
        return scene.objects.get(key, range);
      },
    }),
  });
  assert.deepEqual([code, stdout], [130, '']);
  assert.match(stderr, /interrupted, nothing is proven\n$/);
});
