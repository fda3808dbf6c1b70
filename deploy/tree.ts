import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What .gitignore names, as far as it can lie in a tree without git. */
const ignoredFolders = new Set(['node_modules']);
const ignoredAtTheTop = new Set(['data', 'dist']);
const ignoredFiles = /\.(tgz|cpuprofile)$/;

/** Paths of the repository's files, relative to `root`, with `/`: what git tracks and is there, without git `walkTree`. */
export function treeFiles(root: string): string[] {
  if (!existsSync(join(root, '.git'))) return walkTree(root);
  try {
    const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', stdio: 'pipe' });
    return listed.split('\0').filter(path => path !== '' && existsSync(join(root, path)));
  } catch {
    return walkTree(root); // no git in PATH, or it refuses a folder that another user owns
  }
}

/** Every file below `root` but those in dot folders and what git would ignore. */
export function walkTree(root: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const { name } = entry;
    const path = folder === '' ? name : `${folder}/${name}`;
    if (entry.isFile()) return ignoredFiles.test(name) ? [] : [path];
    const skipped = ignoredFolders.has(name) || name.startsWith('.') || (folder === '' && ignoredAtTheTop.has(name));
    return entry.isDirectory() && !skipped ? walkTree(root, path) : [];
  });
}
