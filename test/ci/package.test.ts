import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '../..');

test('the packed tarball, installed elsewhere from the registry, runs', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'prestacop-tarball-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  execFileSync('npm', ['run', 'pack', '--', '--pack-destination', folder], {
    cwd: root,
    stdio: 'pipe',
    timeout: 120_000,
  });
  const [tarball] = await readdir(folder);
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `./${tarball}`], {
    cwd: folder,
    stdio: 'pipe',
    timeout: 240_000,
  });
  // The system's PATH: the Node 24 that runs it must come with the package.
  const path = process.env.PATH!.split(delimiter).filter(part => !part.includes('node_modules'));
  const env = { ...process.env, PATH: path.join(delimiter) };
  const help = execFileSync('npx', ['prestacop', '--help'], { cwd: folder, env, encoding: 'utf8', timeout: 60_000 });
  assert.match(help, /audit/);
});
