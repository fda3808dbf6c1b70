import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import { type EventLog, logErrors } from '../../../log/event-log.ts';
import { sha256Of } from '../../archive/manifest.ts';
import {
  configIn,
  jpeg,
  openArchive,
  openLog,
  pictureRecord,
  temporaryFolder,
} from '../../archive/test/archive-scene.ts';
import { run } from '../command.ts';

const streams = ['image', 'frame'];

/** A data folder, and the command as a user runs it there. */
async function openScene(t: TestContext) {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const { archive, objects } = await openArchive(t, config, { log, only: streams });
  const outDir = await mkdtemp(join(tmpdir(), 'prestacop-evidence-'));
  t.after(() => rm(outDir, { recursive: true }));
  const evidence = async (args: string[], { openLog = async () => log as EventLog, isTTY = false } = {}) => {
    const written: Uint8Array[] = [];
    let stderr = '';
    const code = await run(args, {
      config,
      stdout: {
        isTTY,
        write(bytes, done) {
          written.push(Buffer.from(bytes as Uint8Array));
          done?.();
        },
      },
      stderr: { write: text => (stderr += text) },
      signal: t.signal,
      openLog,
      openObjects: async () => objects,
    });
    return { code, stdout: Buffer.concat(written), stderr };
  };
  return { config, log, archive, evidence, out: join(outDir, 'out.jpg') };
}

test('a picture comes back from the archive, without the log, and where it lies is told', async t => {
  const { log, archive, evidence, out } = await openScene(t);
  const [first, second, patrol] = [jpeg(1), jpeg(2), jpeg(3)];
  await log.append('image', [pictureRecord('image', first), pictureRecord('image', second, 'nyc-0009')]);
  await log.append('frame', [pictureRecord('frame', patrol)]);
  await archive.stop();
  const openLog = () => Promise.reject(new Error('the log is not needed'));
  const { code, stdout, stderr } = await evidence(['--image', sha256Of(second), '--out', out], { openLog });
  assert.equal(code, 0);
  assert.equal(stdout.length, 0);
  assert.deepEqual(await readFile(out), second);
  const [received, size, place] = stderr.split('\n');
  assert.match(received!, /^image of nyc-0009, received \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(size, 'image/jpeg, 2000 bytes, their SHA-256 is the id');
  assert.match(place!, /^from pack\/image\/dt=.*\.pack, position 2000$/);

  const frame = await evidence(['--image', sha256Of(patrol), '--out', out, '--force']);
  assert.match(frame.stderr, /^frame of nyc-0007, /);
  assert.deepEqual(await readFile(out), patrol);
});

test('a picture that is not archived yet comes from the log', async t => {
  const { log, evidence, out } = await openScene(t);
  const picture = jpeg(3);
  await log.append('image', [pictureRecord('image', jpeg(1)), pictureRecord('image', picture)]);
  const { code, stdout, stderr } = await evidence(['--image', sha256Of(picture), '--out', out, '--json']);
  assert.equal(code, 0);
  assert.deepEqual(await readFile(out), picture);
  assert.equal(stderr, '');
  const { receivedAt, receivedAtMs, ...told } = JSON.parse(stdout.toString());
  assert.equal(receivedAt, new Date(receivedAtMs).toISOString());
  assert.deepEqual(told, {
    imageId: sha256Of(picture),
    found: true,
    stream: 'image',
    partition: 0,
    offset: '1',
    droneId: 'nyc-0007',
    contentType: 'image/jpeg',
    bytes: 2000,
    where: 'log',
    searched: ['the archive of image (0 indexes)'],
    problems: [],
  });
});

test('a picture that was archived and left the log during the search is found', async t => {
  const { log, archive, evidence, out } = await openScene(t);
  const picture = jpeg(3);
  await log.append('image', [pictureRecord('image', picture)]);
  const openLog = async (): Promise<EventLog> => {
    await archive.stop();
    const { end } = (await log.ends('image'))[0]!;
    return {
      ...log,
      ends: async stream => (await log.ends(stream)).map(ends => ({ ...ends, earliest: ends.end })),
      fetch: (stream, partition) => {
        throw logErrors.GAP({ stream, partition, from: 0n, to: end });
      },
    };
  };
  const { code, stderr } = await evidence(['--image', sha256Of(picture), '--out', out], { openLog });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /\nfrom pack\/image\//);
});

test('a picture that is nowhere ends with 1 and everything that was searched', async t => {
  const { log, archive, evidence, out } = await openScene(t);
  await log.append('image', [pictureRecord('image', jpeg(1))]);
  await archive.stop();
  const none = '0'.repeat(64);
  const { code, stdout, stderr } = await evidence(['--image', none, '--out', out]);
  assert.equal(code, 1);
  assert.equal(stdout.length, 0);
  assert.equal(
    stderr,
    `There is no picture ${none} in the archive of image (1 index), the log of image (partition 0, offsets 2 to 2), ` +
      'the archive of frame (0 indexes), the log of frame (partition 0, offsets 0 to 0)\n',
  );
  await assert.rejects(readFile(out), { code: 'ENOENT' });
});

test('a search for one day looks at that day alone', async t => {
  const { log, archive, evidence, out } = await openScene(t);
  await log.append('image', [pictureRecord('image', jpeg(1))]);
  await archive.stop();
  const dayOf = (atMs: number) => new Date(atMs).toISOString().slice(0, 10);
  const all = ['--image', sha256Of(jpeg(1)), '--out', out, '--force'];
  const { receivedAtMs } = JSON.parse((await evidence([...all, '--json'])).stdout.toString());
  const args = [...all, '--day'];
  const other = await evidence([...args, dayOf(receivedAtMs - 24 * 3600 * 1000)]);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /archive of image \(0 indexes of \d{4}-\d\d-\d\d\)/);
  assert.equal((await evidence([...args, dayOf(receivedAtMs)])).code, 0);
  for (const day of ['today', '2026-02-30', '2026-13-01', '20261125']) {
    await assert.rejects(evidence([...args, day]), error => hasCode(error, 'EVIDENCE_WRONG_USE'), day);
  }
});

test('a damaged picture is named, and a second copy of it serves, in the archive or still in the log', async t => {
  const { config, log, archive, evidence, out } = await openScene(t);
  const [once, twice] = [jpeg(1), jpeg(2)];
  await log.append('image', [pictureRecord('image', once), pictureRecord('image', twice)]);
  await log.append('image', [pictureRecord('image', twice)]);
  await archive.stop();
  const place = await evidence(['--image', sha256Of(once), '--out', out, '--json']);
  const { pack } = JSON.parse(place.stdout.toString());
  const file = await open(join(config.DATA_DIR, pack), 'r+');
  for (const position of [100, 2100]) await file.write(Buffer.from('!'), 0, 1, position);
  await file.close();
  await rm(out);

  const openLog = async (): Promise<EventLog> => ({
    ...log,
    ends: async stream => (await log.ends(stream)).map(ends => ({ ...ends, earliest: ends.end })),
  });
  const lost = await evidence(['--image', sha256Of(once), '--out', out], { openLog });
  assert.equal(lost.code, 1);
  assert.match(lost.stderr, new RegExp(`picture ${sha256Of(once)} at position 0 of ${pack} is damaged`));
  assert.match(lost.stderr, /There is no intact picture/);
  await assert.rejects(readFile(out), { code: 'ENOENT' });

  const logged = await evidence(['--image', sha256Of(once), '--out', out]);
  assert.equal(logged.code, 0);
  assert.match(logged.stderr, /at position 0 of .* is damaged.*\n(.*\n)*from the log, image partition 0 offset 0\n$/);
  assert.deepEqual(await readFile(out), once);
  await rm(out);

  const saved = await evidence(['--image', sha256Of(twice), '--out', out]);
  assert.equal(saved.code, 0);
  assert.match(saved.stderr, /at position 2000 of .* is damaged.*\n(.*\n)*from pack\/image\/.*, position 4000\n$/);
  assert.deepEqual(await readFile(out), twice);
});

test('where an index is gone that is told, and the log serves', async t => {
  const { config, log, archive, evidence, out } = await openScene(t);
  const picture = jpeg(1);
  await log.append('image', [pictureRecord('image', picture)]);
  await archive.stop();
  await rm(join(config.DATA_DIR, 'archive', 'image'), { recursive: true });
  const { code, stderr } = await evidence(['--image', sha256Of(picture), '--out', out]);
  assert.equal(code, 0);
  assert.match(stderr, /archive\/image lacks 1 of the indexes in its manifest, the first is p0-[0-9a-f]{8}-0{20}\n/);
  assert.deepEqual(await readFile(out), picture);
});

test('a file is never replaced without --force, and a terminal gets no picture', async t => {
  const { log, evidence, out } = await openScene(t);
  const picture = jpeg(1);
  await log.append('image', [pictureRecord('image', picture)]);
  await writeFile(out, 'mine');
  const args = ['--image', sha256Of(picture), '--out'];
  await assert.rejects(evidence([...args, out]), error => hasCode(error, 'EVIDENCE_FILE_EXISTS'));
  assert.equal(await readFile(out, 'utf8'), 'mine');
  assert.equal((await evidence([...args, out, '--force'])).code, 0);
  assert.deepEqual(await readFile(out), picture);

  for (const wrong of [dirname(out), join(out, 'below.jpg'), join(dirname(out), 'none', 'out.jpg')]) {
    const failed = (error: unknown) => hasCode(error, 'EVIDENCE_WRITE_FAILED');
    await assert.rejects(evidence([...args, wrong, '--force']), failed, wrong);
  }

  await assert.rejects(evidence([...args, '-'], { isTTY: true }), error => hasCode(error, 'EVIDENCE_TERMINAL'));
  const piped = await evidence([...args, '-', '--json']);
  assert.deepEqual(piped.stdout, picture);
  assert.equal(JSON.parse(piped.stderr).where, 'log');
});

test('wrong use is told with what is right', async t => {
  const { evidence, out } = await openScene(t);
  const id = 'a'.repeat(64);
  for (const args of [[], ['--image', id], ['--out', out], ['--image', 'A'.repeat(64), '--out', out], ['--imag', id]]) {
    await assert.rejects(evidence(args), error => hasCode(error, 'EVIDENCE_WRONG_USE'), args.join(' '));
  }
});
