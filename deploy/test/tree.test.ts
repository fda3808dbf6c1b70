import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { treeFiles, walkTree } from '../tree.ts';

const root = resolve(import.meta.dirname, '../..');

test('a tree without git is walked; what git would ignore is left out, at its place only', t => {
  const folder = mkdtempSync(join(tmpdir(), 'prestacop-tree-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const kept = ['.gitignore', 'edge/data/streets.gz', 'edge/drone.ts', 'main.ts'];
  const ignored = [
    '.git-old/x',
    '.idea/x',
    'data/log/id',
    'dist/main.js',
    'edge/node_modules/a.js',
    'node_modules/b.js',
  ];
  for (const path of [...kept, ...ignored, 'prestacop-0.1.0.tgz']) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
  assert.deepEqual(treeFiles(folder).sort(), kept);
});

test('the walk finds every file that git tracks, but for dot folders', () => {
  const walked = new Set(walkTree(root));
  const missed = treeFiles(root).filter(path => !walked.has(path) && !/^\.[^/]*\//.test(path));
  assert.deepEqual(missed, []);
});
