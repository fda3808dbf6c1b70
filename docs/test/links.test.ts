import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { treeFiles } from '../../deploy/tree.ts';

const root = resolve(import.meta.dirname, '../..');

/** Targets of Markdown links and pictures, and of HTML's, outside of code. */
function linksOf(markdown: string): string[] {
  const text = markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  const targets = /\]\(<?([^)\s>]+)|\b(?:src|href)="([^"]+)"/g;
  return [...text.matchAll(targets)].map(match => match[1] ?? match[2]!);
}

test('the pattern finds links and pictures, and nothing in code', () => {
  const text = '[a](a.md#x) ![b](b.svg "title")\n<img src="c.png">\n`[d](d.md)`\n```sh\n[e](e.md)\n```\n[`f`](f.md)';
  assert.deepEqual(linksOf(text), ['a.md#x', 'b.svg', 'c.png', 'f.md']);
});

test('every relative link of the documents leads to a file, and its fragment to a heading', () => {
  const pages = treeFiles(root).filter(path => /^([^/]+|docs\/.*)\.md$/.test(path));
  assert.ok(pages.includes('README.md') && pages.includes('docs/messages.md'));
  const broken = pages.flatMap(page =>
    linksOf(readFileSync(join(root, page), 'utf8'))
      .filter(link => !/^[a-z]+:/.test(link) && !leads(page, link))
      .map(link => `${page}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

function leads(page: string, link: string): boolean {
  const [path, fragment] = link.split('#') as [string, string | undefined];
  const target = path === '' ? join(root, page) : join(root, dirname(page), path);
  if (!existsSync(target)) return false;
  return fragment === undefined || !target.endsWith('.md') || headingsOf(target).includes(fragment);
}

/** As GitHub names them. */
function headingsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
