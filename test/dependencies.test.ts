import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { test } from 'node:test';
import { treeFiles } from '../deploy/tree.ts';

const root = resolve(import.meta.dirname, '..');

/**
 * What a stage's runtime files may import beside their own folder and core: a folder (ends in `/`) or a file.
 * Stages meet in the message table, in the log, or in a function that main.ts passes.
 */
const logContract = ['log/event-log.ts', 'log/record.ts', 'log/position.ts'];
const mayImport: Record<string, readonly string[]> = {
  core: [],
  edge: [],
  broker: [],
  bridge: logContract,
  log: [],
  'cloud/archive': logContract,
  'cloud/audit': [...logContract, 'cloud/archive/object-store.ts', 'cloud/archive/manifest.ts'],
  'cloud/evidence': [
    ...logContract,
    'cloud/archive/object-store.ts',
    'cloud/archive/manifest.ts',
    'cloud/archive/pictures.ts',
  ],
  docs: ['bridge/rejections.ts', 'cloud/archive/columns.ts', 'deploy/tree.ts', 'edge/scene/scene.ts'],
};

/** Who owns a vendor's library; nobody else imports it. Tests and benches may stand on the far side of any wire. */
const owners: Record<string, readonly string[]> = {
  pino: ['core/logging.ts'],
  'prom-client': ['core/metrics.ts'],
  ulid: ['core/ids.ts'],
  typebox: ['core/', 'edge/', 'bridge/', 'docs/'],
  mqtt: ['edge/'],
  '@napi-rs/canvas': ['edge/scene/pixels.ts'],
  aedes: ['broker/'],
  ws: ['broker/'],
  '@duckdb/node-api': ['cloud/archive/', 'cloud/audit/'],
  yaml: ['docs/'],
};

const forbiddenNames = /(^|\/)(index|utils?|helpers?|common|types|managers?)\.(ts|js)$/;

const tracked = treeFiles(root);
const sources = tracked.filter(path => /\.(ts|js)$/.test(path)).map(path => ({ path, text: read(path) }));
const workspaces = (JSON.parse(read('package.json')) as { workspaces: string[] }).workspaces;

function read(path: string): string {
  return readFileSync(resolve(root, path), 'utf8');
}

function isTest(path: string): boolean {
  return /(^|\/)(test|bench)\//.test(path) || path.endsWith('.contract.ts');
}

/** The folder that a rule speaks of, or undefined for the root and `start/`, which put everything together. */
function areaOf(path: string): string | undefined {
  return Object.keys(mayImport).find(area => path.startsWith(`${area}/`));
}

function covers(places: readonly string[], path: string): boolean {
  return places.some(place => (place.endsWith('/') ? path.startsWith(place) : path === place));
}

const importPattern =
  /^(?:import\s+(?:[^'";]*?\sfrom\s+)?|export\s+(?:type\s+)?[*{][^'";]*?\sfrom\s+)['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

function importsOf(text: string): string[] {
  return [...text.matchAll(importPattern)].map(match => match[1] ?? match[2]!);
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

const imports = sources
  .filter(({ path }) => !isTest(path))
  .flatMap(({ path, text }) => importsOf(text).map(specifier => ({ path, specifier })));

test('the pattern finds every form of import and nothing in between', () => {
  const text = `import a from 'a';\nimport {\n  type B,\n} from "./b.ts";\nimport 'c';\nexport * from 'd';
export const x = 'not-this';\nconst e = await import('e');\n`;
  assert.deepEqual(importsOf(text), ['a', './b.ts', 'c', 'd', 'e']);
});

test('stages import core and what the table allows, and never each other', () => {
  const broken = imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ path, specifier }) => ({ path, target: posix.join(posix.dirname(path), specifier) }))
    .filter(({ path, target }) => {
      const area = areaOf(path);
      return area !== undefined && !covers([`${area}/`, 'core/', ...mayImport[area]!], target);
    });
  assert.deepEqual(broken, []);
});

test("a vendor's library is imported by its owners only, and every library has one", () => {
  const broken = imports
    .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
    .filter(({ path, specifier }) => !covers(owners[packageOf(specifier)] ?? [], path));
  assert.deepEqual(broken, []);
});

test('every workspace declares the libraries that it imports, and the root declares the union', () => {
  const union = new Map<string, string>();
  for (const workspace of workspaces) {
    const { dependencies } = JSON.parse(read(`${workspace}/package.json`)) as { dependencies: Record<string, string> };
    for (const [name, version] of Object.entries(dependencies)) {
      assert.equal(union.get(name) ?? version, version, `${workspace} wants another version of ${name}`);
      union.set(name, version);
    }
    const used = imports
      .filter(({ path, specifier }) => path.startsWith(`${workspace}/`) && !/^(\.|node:)/.test(specifier))
      .map(({ specifier }) => packageOf(specifier));
    assert.deepEqual(
      [...new Set(used)].filter(name => !(name in dependencies)),
      [],
      `undeclared in ${workspace}`,
    );
  }
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  assert.deepEqual(dependencies, Object.fromEntries([...union].sort(([a], [b]) => (a < b ? -1 : 1))));
});

test('only main.ts reads the environment, handles signals or ends the process', () => {
  const word = /\bprocess\.(env|exit|exitCode|on|once|kill|abort)\b/;
  const allowed = ['main.ts', 'prestacop.js'];
  const broken = sources.filter(({ path, text }) => !isTest(path) && !allowed.includes(path) && word.test(text));
  assert.deepEqual(
    broken.map(({ path, text }) => `${path}: ${word.exec(text)![0]}`),
    [],
  );
});

test('file names are lower-case nouns with hyphens, and none is a drawer for everything', () => {
  const bad = sources
    .map(({ path }) => path)
    .filter(
      path => forbiddenNames.test(path) || !/^[a-z0-9-]+(\.(test|contract))?\.(ts|js)$/.test(posix.basename(path)),
    );
  assert.deepEqual(bad, []);
});

test('no source is longer than 400 lines', () => {
  const long = sources.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }));
  assert.deepEqual(
    long.filter(({ lines }) => lines > 400),
    [],
  );
});

test('nothing in the repository names a home folder or a package registry', () => {
  const place =
    /\/home\/(?!you\/)\w|\/root\/|\/Users\/\w|:\/\/[\w.-]*(registry|artifactory|nexus|verdaccio)[\w.-]*[/:]/i;
  const self = 'test/dependencies.test.ts';
  const broken = tracked.filter(path => !/\.(gz|png|jpg)$/.test(path) && path !== self && place.test(read(path)));
  assert.deepEqual(broken, []);
});
