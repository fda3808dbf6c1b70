import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import specification from '@asyncapi/specs/schemas/3.0.0.json' with { type: 'json' };
import { Ajv, type AnySchemaObject } from 'ajv';
import { Compile } from 'typebox/schema';
import { parse } from 'yaml';
import { messageKinds } from '../../core/messages.ts';
import { treeFiles } from '../../deploy/tree.ts';
import { asyncApi } from '../asyncapi.ts';
import { documents } from '../generate.ts';

const folder = resolve(import.meta.dirname, '..');
const root = resolve(folder, '..');

/** Validates against the AsyncAPI specification's own schema, which brings its own copy of draft 07; formats are left out. */
function validate(document: unknown): unknown[] {
  const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, validateFormats: false, logger: false });
  const check = ajv.compile(specification as AnySchemaObject);
  return check(document) ? [] : (check.errors ?? []).slice(0, 3);
}

test('the documents are what the tables say: "npm run docs" writes them', async () => {
  for (const [name, content] of Object.entries(await documents())) {
    assert.equal(readFileSync(join(folder, name), 'utf8'), content, `docs/${name} is out of date`);
  }
});

test('no runtime source makes an error outside an exported table, which the page of errors would miss', () => {
  const hidden = /(?<!export )const \w+ = defineErrors\(|new AppError\(\s*['"`]/;
  const broken = treeFiles(root)
    .filter(path => /^(?!docs\/).*\.ts$/.test(path) && !/(^|\/)(test|bench)\//.test(path) && path !== 'core/errors.ts')
    .filter(path => hidden.test(readFileSync(join(root, path), 'utf8')));
  assert.deepEqual(broken, []);
});

test('asyncapi.yaml is valid by the schema of the AsyncAPI specification, which refuses a broken one', () => {
  const document = parse(readFileSync(join(folder, 'asyncapi.yaml'), 'utf8'));
  assert.deepEqual(validate(document), []);
  assert.notDeepEqual(validate({ ...document, channels: { telemetry: { adress: 'x' } } }), []);
});

test('every reference of asyncapi.yaml leads somewhere', () => {
  const document = asyncApi(messageKinds, '0') as Record<string, unknown>;
  const references = JSON.stringify(document).match(/"#\/[^"]+"/g) ?? [];
  assert.ok(references.length >= 3 * messageKinds.length);
  for (const reference of references) {
    const target = (JSON.parse(reference) as string)
      .split('/')
      .slice(1)
      .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);
    assert.notEqual(target, undefined, reference);
  }
});

test('every JSON message has an example, and the example is valid and within its size', () => {
  for (const { kind, schema, example, maxPayloadBytes } of messageKinds) {
    if (schema === undefined) continue;
    assert.ok(example, kind);
    assert.deepEqual(Compile(schema).Errors(example)[1], [], kind);
    assert.ok(JSON.stringify(example).length <= maxPayloadBytes, kind);
  }
});
