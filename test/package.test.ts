import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { pack } from '../deploy/pack.ts';
import { inCi } from './shared.ts';

const root = resolve(import.meta.dirname, '..');

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'prestacop-package-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('the packed program holds no types and runs', async t => {
  const folder = await temporaryFolder(t);
  pack(join(folder, 'dist'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'dist/prestacop.js'), '--help'], {
    encoding: 'utf8',
    cwd: folder,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /audit/);
  // Assets are packed too: streets and summonses are read at the start, the font at the first picture.
  const { drawScene } = (await import(
    pathToFileURL(join(folder, 'dist/edge/scene/scene.js')).href
  )) as typeof import('../edge/scene/scene.ts');
  const facts = {
    code: 40,
    street: 'Broadway',
    plate: 'HBC4821',
    plateState: 'NY',
    hour: 12,
    look: 1,
    seed: 'packed',
  } as const;
  assert.equal((await drawScene(facts, 320)).readUInt16BE(), 0xffd8);
});

test('a clone starts under Node 20: npm brings the Node that runs the sources', async t => {
  const node20 = findNode20();
  const hasGit = existsSync(join(root, '.git')) && spawnSync('git', ['--version']).status === 0;
  if (node20 === undefined || !hasGit) {
    const advice = hasGit ? 'no Node 20 in PATH: put one there' : 'nothing to clone: run in a clone, with git in PATH';
    if (inCi) throw new Error(advice);
    t.skip(advice);
    return;
  }
  const folder = await temporaryFolder(t);
  const clone = join(folder, 'clone');
  execFileSync('git', ['clone', '-q', root, clone]);
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  const { status, stdout, stderr } = spawnSync('npm', ['start', '--', '--check'], {
    encoding: 'utf8',
    cwd: clone,
    timeout: 60_000,
    env: { ...process.env, PATH: [dirname(node20), ...foreignPath()].join(delimiter) },
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^DATA_DIR=/m);
});

/** PATH without the folders that npm adds, where `node` is ours. */
function foreignPath(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter(folder => !folder.includes('node_modules'));
}

function findNode20(): string | undefined {
  return foreignPath()
    .map(folder => join(folder, 'node'))
    .filter(path => existsSync(path))
    .find(path => spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout.startsWith('v20.'));
}
