import assert from 'node:assert/strict';
import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { Spool } from '../spool.ts';
import { temporaryFolder } from './archive-scene.ts';

test('a spool that finds no room leaves no file open', async t => {
  const folder = await temporaryFolder(t);
  const full = new Error('ENOSPC: no space left on device, write');
  const { open } = fs;
  let opened: FileHandle | undefined;
  const mocked = t.mock.method(fs, 'open', async (...args: Parameters<typeof open>) => {
    opened = await open(...args);
    opened.appendFile = () => Promise.reject(full);
    return opened;
  });
  syncBuiltinESMExports();
  t.after(() => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  });
  await assert.rejects(Spool.create(join(folder, 'spool'), false), full);
  assert.equal(opened?.fd, -1);
});
