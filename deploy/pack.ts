import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { treeFiles } from './tree.ts';

const root = resolve(import.meta.dirname, '..');

/** Folders of the repository that an installed prestacop does without. */
const leftOut = /^(\.|test\/|bench\/|docs\/|deploy\/|examples\/)|\/(test|bench)\/|\.contract\.ts$/;
const asset = /^edge\/(data|scene\/assets)\//;

/**
 * Writes the published form of the repository's sources to `folder`, replacing what was there: types are blanked out, so lines
 * and columns stay, and relative specifiers end in `.js`, since Node strips no types under `node_modules`.
 */
export function pack(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  for (const path of treeFiles(root).filter(path => !leftOut.test(path))) {
    const target = join(folder, path.replace(/\.ts$/, '.js'));
    if (/\.(ts|js)$/.test(path)) {
      mkdirSync(dirname(target), { recursive: true });
      const text = readFileSync(join(root, path), 'utf8');
      writeFileSync(target, withJsSpecifiers(path.endsWith('.ts') ? stripTypeScriptTypes(text) : text));
    } else if (asset.test(path)) {
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(join(root, path), target);
    }
  }
}

/** `'./x.ts'` in imports, and in URLs of worker and child programs, becomes `'./x.js'`. */
function withJsSpecifiers(text: string): string {
  return text.replace(/(['"])(\.{1,2}\/[^'"\n]*)\.ts\1/g, '$1$2.js$1');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) pack(join(root, 'dist'));
