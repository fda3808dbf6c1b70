import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messageKinds } from '../../../core/messages.ts';
import { numberAt, scanTopLevel, textAt } from '../top-level-scan.ts';

const names = ['droneId', 'epoch', 'seq'];
const places = new Int32Array(6);

/** Whether the scan could tell; then it has told what JSON.parse does. */
function agrees(text: string): boolean {
  const bytes = Buffer.from(text);
  if (!scanTopLevel(bytes, names, places)) return false;
  const parsed = JSON.parse(text) as Record<string, unknown>;
  names.forEach((name, index) => {
    const [from, to] = [places[2 * index]!, places[2 * index + 1]!];
    const value = numberAt(bytes, from, to);
    assert.equal(Number.isNaN(value) ? textAt(bytes, from, to, 'x') : value, parsed[name], text);
  });
  return true;
}

test('the fields of every example are found without parsing', () => {
  for (const { example, numbered } of messageKinds) {
    if (numbered) assert.ok(agrees(JSON.stringify(example)));
  }
});

test('what the scan finds is what JSON.parse finds, for any object', () => {
  const keys = fc.oneof(fc.constantFrom(...names, 'seq2', 'x', '"', '\\'), fc.string({ maxLength: 4 }));
  const values = fc.oneof(
    fc.nat(),
    fc.constantFrom(0, 1, -1, 1.5, 1e21, Number.MAX_SAFE_INTEGER, true, null, '', 'a"b', '{"seq":9}', ',"seq":9', 'é'),
    fc.jsonValue({ maxDepth: 3 }),
    fc.dictionary(keys, fc.nat(), { maxKeys: 3 }),
  );
  const objects = fc.array(fc.tuple(keys, values), { maxLength: 8 });
  let found = 0;
  fc.assert(
    fc.property(objects, fc.constantFrom('', ' ', '\n\t'), (pairs, space) => {
      // Written by hand, so that a name may come twice.
      const list = pairs.map(
        ([key, value]) => `${JSON.stringify(key)}${space}:${space}${JSON.stringify(value)}${space}`,
      );
      const whole = names.map(name => `"${name}":${name.length}`);
      if (agrees(`{${[...list, ...whole].join(`,${space}`)}}`)) found++;
      agrees(`{${[...whole, ...list].join(`,${space}`)}}`);
    }),
    { numRuns: 2000 },
  );
  assert.ok(found > 200, `the scan could tell ${found} of 2000`);
});

test('bytes that are no object, or no JSON, never make it fail', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      scanTopLevel(bytes, names, places);
      scanTopLevel(Buffer.concat([Buffer.from('{'), bytes, Buffer.from('}')]), names, places);
    }),
  );
  for (const text of ['', '{', '}', '{}x', '[1]', '{"seq":']) {
    assert.equal(scanTopLevel(Buffer.from(text), names, places), false, text);
  }
});
