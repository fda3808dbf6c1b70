import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Named, openPictureFiles, type PictureFilesOptions, type Place } from '../picture-files.ts';
import { eventually, temporaryFolder } from './world.ts';

function open(t: TestContext, folder: string, named: readonly Named[] = [], options: PictureFilesOptions = {}) {
  const files = openPictureFiles(folder, named, options);
  let closed = false;
  const close = () => {
    if (!closed) files.close();
    closed = true;
  };
  t.after(close);
  return { files, close };
}

const namesIn = (folder: string) => (existsSync(folder) ? readdirSync(folder).map(Number).sort() : []);
const hasOnly = (folder: string, wanted: readonly number[]) =>
  eventually(
    `only ${wanted.length} files`,
    () => namesIn(folder).join() === [...wanted].sort().join(),
    () => namesIn(folder),
  );

test('D1: many pictures, one write and one sync; each is read back, and there is no folder before the first', async t => {
  const folder = join(temporaryFolder(t), 'fleet.pictures');
  const { files } = open(t, folder);
  assert.equal(existsSync(folder), false);
  const pictures = Array.from({ length: 300 }, (_, index) => randomBytes(100 + index));
  const places = await files.append(pictures);
  places.forEach((place, index) => {
    assert.deepEqual(files.read(place), pictures[index]);
  });
  assert.equal(new Set(places.map(({ file }) => file)).size, 1);
  assert.equal(
    files.bytes,
    pictures.reduce((sum, { length }) => sum + length, 0),
  );
});

test('a file goes when nothing in it is named any more and another one is written to', async t => {
  const folder = join(temporaryFolder(t), 'fleet.pictures');
  const { files } = open(t, folder, [], { rollBytes: 1000 });
  const [first, second] = await files.append([randomBytes(600), randomBytes(600)]);
  const [third] = await files.append([randomBytes(10)]);
  assert.notEqual(third!.file, first!.file);
  files.release(third!);
  files.release(first!);
  assert.equal(files.read(second!).length, 600);
  files.release(second!);
  await hasOnly(folder, [third!.file]);
  assert.equal(files.bytes, 10);
  assert.throws(() => files.read(second!), /there is no file/);
});

test('what waits long lies apart, so that it does not keep what goes quickly', async t => {
  const folder = join(temporaryFolder(t), 'fleet.pictures');
  const { files } = open(t, folder, [], { rollBytes: 1000 });
  const slow = await files.append([randomBytes(100)], 'slow');
  for (let round = 0; round < 5; round++)
    for (const place of await files.append([randomBytes(2000)])) files.release(place);
  await hasOnly(folder, [slow[0]!.file]);
  assert.equal(files.read(slow[0]!).length, 100);
  assert.equal(files.bytes, 100);
});

test('an opening keeps what is named, removes the rest, and gives no number twice', async t => {
  const folder = join(temporaryFolder(t), 'fleet.pictures');
  const before = open(t, folder, [], { rollBytes: 10 });
  const places: Place[] = [];
  for (let count = 0; count < 3; count++)
    places.push(...(await before.files.append([Buffer.from(`picture ${count}`)])));
  before.close();
  const { files } = open(t, folder, [{ file: places[1]!.file, pictures: 1 }]);
  assert.deepEqual(namesIn(folder), [places[1]!.file]);
  assert.equal(files.read(places[1]!).toString(), 'picture 1');
  const [place] = await files.append([Buffer.from('x')]);
  assert.ok(place!.file > places[2]!.file);
  files.release(places[1]!);
  await hasOnly(folder, [place!.file]);
});

test('a picture whose file is gone or too short is not read', async t => {
  const folder = join(temporaryFolder(t), 'fleet.pictures');
  mkdirSync(folder);
  appendFileSync(join(folder, '7'), 'abc');
  const { files } = open(t, folder, [
    { file: 7, pictures: 1 },
    { file: 8, pictures: 1 },
  ]);
  assert.throws(() => files.read({ file: 7, position: 0, length: 4 }), /ends before byte 4/);
  assert.throws(() => files.read({ file: 8, position: 0, length: 1 }), /ENOENT/);
  files.release({ file: 8, position: 0, length: 1 });
  truncateSync(join(folder, '7'), 0);
  assert.throws(() => files.read({ file: 7, position: 0, length: 1 }), /ends before/);
});

test('a full disk: nothing of that write is named, what was there stays, the next write begins a new file', async t => {
  const folder = join(temporaryFolder(t), 'fleet.pictures');
  let room = Number.POSITIVE_INFINITY;
  const { files } = open(t, folder, [], {
    async write(file, buffers) {
      const bytes = Buffer.concat(buffers);
      const bytesWritten = bytes.length <= room ? writeSync(file, bytes) : writeSync(file, bytes, 0, room);
      if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      return { bytesWritten };
    },
  });
  const [kept] = await files.append([Buffer.from('kept')]);
  room = 3;
  await assert.rejects(files.append([Buffer.from('lost')]), /3 of 4 bytes/);
  room = 0;
  await assert.rejects(files.append([Buffer.from('lost')]), /ENOSPC/);
  await hasOnly(folder, [kept!.file]);
  room = Number.POSITIVE_INFINITY;
  const [next] = await files.append([Buffer.from('next')]);
  assert.deepEqual([files.read(kept!).toString(), files.read(next!).toString()], ['kept', 'next']);
  assert.notEqual(next!.file, kept!.file);
  files.release(kept!);
  await hasOnly(folder, [next!.file]);
});

test('more files than may be open for reading are read all the same', async t => {
  const { files } = open(t, join(temporaryFolder(t), 'fleet.pictures'), [], { rollBytes: 1 });
  const places: Place[] = [];
  for (let count = 0; count < 40; count++) places.push(...(await files.append([Buffer.from(`picture ${count}`)])));
  for (const turn of [0, 1]) {
    places.forEach((place, index) => {
      assert.equal(files.read(place).toString(), `picture ${index}`, `turn ${turn}`);
    });
  }
});

test('whatever is appended and released in whatever order: named pictures are whole, and only their files are there', async t => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant('append' as const),
      sizes: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
    }),
    fc.record({ do: fc.constant('release' as const), at: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const folder = join(temporaryFolder(t), 'fleet.pictures');
      const { files, close } = open(t, folder, [], { rollBytes: 1000 });
      const named = new Map<Place, Buffer>();
      let newest = 0;
      for (const what of steps) {
        if (what.do === 'append') {
          const pictures = what.sizes.map(size => randomBytes(size));
          const places = await files.append(pictures);
          places.forEach((place, index) => {
            named.set(place, pictures[index]!);
          });
          newest = places[0]!.file;
        } else if (named.size > 0) {
          const [place] = [...named.keys()].splice(what.at % named.size, 1);
          files.release(place!);
          named.delete(place!);
        }
        for (const [place, bytes] of named) assert.deepEqual(files.read(place), bytes);
      }
      const wanted = new Set([...named.keys()].map(({ file }) => file));
      await eventually(
        'files are freed',
        () => namesIn(folder).every(number => wanted.has(number) || number === newest),
        () => namesIn(folder),
      );
      close();
    }),
    { numRuns: 15 },
  );
});
