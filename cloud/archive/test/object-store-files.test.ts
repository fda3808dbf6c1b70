import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import { openFileObjectStore } from '../object-store-files.ts';
import { openObjectStore } from '../open.ts';
import { configIn, temporaryFolder } from './archive-scene.ts';
import { objectStoreContract } from './object-store.contract.ts';

const areas = ['archive', 'manifest'];

objectStoreContract('files', async t => {
  const root = await temporaryFolder(t);
  const open = () => openFileObjectStore({ root, areas });
  return { store: await open(), again: open };
});

test('two processes that put the same keys share them out: each key has one winner', async t => {
  const root = await temporaryFolder(t);
  const script = `
    import { openFileObjectStore } from ${JSON.stringify(join(import.meta.dirname, '../object-store-files.ts'))};
    const store = await openFileObjectStore({ root: process.argv[1], areas: ['archive'] });
    process.stdout.write('ready\\n');
    process.stdin.once('data', async () => {
      for (let key = 0; key < 100; key++) {
        await store.put('archive/' + key, Buffer.from(process.argv[2])).then(
          () => process.stdout.write('won ' + key + '\\n'),
          error => { if (error.code !== 'OBJECTS_EXISTS') throw error; },
        );
      }
      process.exit(0);
    });`;
  const children = ['a', 'b'].map(name =>
    spawn(process.execPath, ['--input-type=module', '-e', script, root, name], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const outputs = children.map(child => {
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', chunk => {
      output += chunk;
    });
    return () => output;
  });
  await Promise.all(children.map(child => once(child.stdout, 'data')));
  const ends = children.map(child => once(child, 'close'));
  for (const child of children) child.stdin.write('go\n');
  await Promise.all(ends);
  const wins = outputs.map(output => [...output().matchAll(/won (\d+)/g)].map(match => match[1]!));
  assert.equal(wins.flat().length, 100);
  assert.equal(new Set(wins.flat()).size, 100);
  for (const [index, name] of ['a', 'b'].entries()) {
    for (const key of wins[index]!) assert.equal(await readFile(join(root, 'archive', key), 'utf8'), name);
  }
});

test('no temporary stays behind, and only old ones of others are swept', async t => {
  const root = await temporaryFolder(t);
  const folder = join(root, 'tmp', 'objects');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'old'), '');
  await writeFile(join(folder, 'new'), '');
  const twoHoursAgo = new Date(Date.now() - 7_200_000);
  await utimes(join(folder, 'old'), twoHoursAgo, twoHoursAgo);
  const store = await openFileObjectStore({ root, areas });
  await store.put('archive/a', Buffer.from('x'));
  await assert.rejects(store.put('archive/a', Buffer.from('x')));
  assert.deepEqual(await readdir(folder), ['new']);
});

test('a file that is given away becomes the object without a copy, and by a copy from another file system', async t => {
  const root = await temporaryFolder(t);
  const store = await openFileObjectStore({ root, areas });
  const path = join(root, 'tmp', 'given');
  await writeFile(path, 'given');
  const { ino } = await stat(path);
  await store.put('archive/a', { path, consumed: true });
  assert.equal((await stat(join(root, 'archive', 'a'))).ino, ino);

  const elsewhere = await mkdtemp('/dev/shm/prestacop-').catch(() => undefined);
  if (elsewhere === undefined) return; // one file system only
  t.after(() => rm(elsewhere, { recursive: true }));
  await writeFile(join(elsewhere, 'far'), 'far');
  await store.put('archive/b', { path: join(elsewhere, 'far'), consumed: true });
  assert.equal(await readFile(join(root, 'archive', 'b'), 'utf8'), 'far');
});

test('what lies beside the areas is not the store’s', async t => {
  const root = await temporaryFolder(t);
  await mkdir(join(root, 'log'));
  await writeFile(join(root, 'log', 'id'), 'x');
  const store = await openFileObjectStore({ root, areas });
  await assert.rejects(store.get('log/id'), error => hasCode(error, 'OBJECTS_BAD_KEY'));
  for await (const { key } of store.list('')) assert.fail(key);
});

test('an object store that this version has not is refused by name', async t => {
  const config = configIn(await temporaryFolder(t), { OBJECTS_URL: 's3://bucket/prefix?region=x' });
  await assert.rejects(openObjectStore(config), error => hasCode(error, 'OBJECTS_NO_ADAPTER'));
});
