import assert from 'node:assert/strict';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Spool } from '../spool.ts';
import { temporaryFolder } from './archive-scene.ts';

test('a spool that finds no room leaves no file open', async t => {
  const folder = await temporaryFolder(t);
  const file = await open(join(folder, 'other'), 'wx');
  await file.close();
  const handles: FileHandle = Object.getPrototypeOf(file);
  const full = new Error('ENOSPC: no space left on device, write');
  t.mock.method(handles, 'appendFile', () => Promise.reject(full));
  const close = t.mock.method(handles, 'close');
  await assert.rejects(Spool.create(join(folder, 'spool'), false), full);
  assert.equal(close.mock.callCount(), 1);
});
