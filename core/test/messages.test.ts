import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Check } from 'typebox/value';
import { DroneAccounts } from '../accounts.ts';
import { encodeCredentials, parseCredentials } from '../credentials.ts';
import { newUlid, ulidPattern } from '../ids.ts';
import { messageKinds } from '../messages.ts';
import { streams } from '../streams.ts';
import { encodeTopic, parseTopic } from '../topics.ts';

test("every kind's example is valid by its own schema", () => {
  for (const { kind, schema, example, content } of messageKinds) {
    assert.equal(schema === undefined, content === 'picture', kind);
    if (schema !== undefined) assert.ok(Check(schema, example), kind);
  }
});

test('every kind has a stream; account and load never leave the log', () => {
  assert.deepEqual(
    streams.map(({ name }) => name),
    [
      'telemetry',
      'violation',
      'image',
      'frame',
      'state',
      'command',
      'case',
      'ticket',
      'rejected',
      'audit',
      'account',
      'load',
    ],
  );
  assert.deepEqual(
    streams.filter(({ archived }) => !archived).map(({ name }) => name),
    ['account', 'load'],
  );
  assert.deepEqual(
    streams.find(({ name }) => name === 'command')?.kinds.map(({ kind }) => kind),
    ['command', 'ack'],
  );
});

test('parseTopic is the inverse of encodeTopic, and takes nothing else', () => {
  const id = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);
  const imageId = fc.option(fc.stringMatching(/^[0-9a-f]{64}$/), { nil: undefined });
  fc.assert(
    fc.property(id, id, id, imageId, (fleet, droneId, kind, image) => {
      const topic = { fleet, droneId, kind, ...(image === undefined ? {} : { imageId: image }) };
      assert.deepEqual(parseTopic(encodeTopic(topic)), topic);
    }),
  );
  for (const topic of [
    '',
    'prestacop/v1/nyc/a',
    'prestacop/v2/nyc/a/state',
    'prestacop/v1/NYC/a/state',
    'prestacop/v1/nyc/a/state/',
    'prestacop/v1//a/state',
    'prestacop/v1/nyc/a/image/xyz',
  ]) {
    assert.equal(parseTopic(topic), undefined, topic);
  }
});

test('ULIDs hold their time, and do not repeat', () => {
  const ids = Array.from({ length: 1000 }, () => newUlid(1_795_605_600_000));
  assert.ok(ids.every(id => new RegExp(ulidPattern).test(id) && id.slice(0, 10) === ids[0]!.slice(0, 10)));
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(newUlid(1_795_605_600_001) > ids[0]!);
});

test('a credentials file comes back as it was, and a bad line is named without its text', () => {
  const credentials = new Map([['nyc-0001', { fleet: 'nyc', password: 'p"w' }]]);
  assert.deepEqual(parseCredentials(encodeCredentials(credentials)), credentials);
  assert.throws(
    () => parseCredentials('\n{"droneId":"x","secret":"hush"}'),
    (error: Error) => /Line 2/.test(error.message) && !/hush/.test(error.message),
  );
});

test('accounts fold: an id belongs to one fleet, a new password replaces the old, a revoked drone may not connect', () => {
  const accounts = new DroneAccounts();
  const add = (fleet: string, passwordSha256: string) =>
    accounts.apply({ v: 1, subject: 'drone', action: 'add', droneId: 'd1', fleet, passwordSha256, atMs: 0 });
  const [one, two] = [
    '6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b',
    'd4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35',
  ];
  const mayConnect = (password: string) => accounts.authenticate('d1', Buffer.from(password))?.fleet;

  assert.equal(mayConnect('1'), undefined);
  assert.equal(add('nyc', one), undefined);
  assert.equal(mayConnect('1'), 'nyc');
  add('bos', two);
  assert.deepEqual([mayConnect('1'), mayConnect('2')], ['nyc', undefined], 'the first fleet keeps the id');
  assert.equal(add('nyc', two), 'd1', 'connections with the old password must end');
  assert.deepEqual([mayConnect('1'), mayConnect('2')], [undefined, 'nyc']);
  assert.equal(
    accounts.apply({ v: 1, subject: 'drone', action: 'revoke', droneId: 'd1', fleet: 'nyc', atMs: 0 }),
    'd1',
  );
  assert.equal(mayConnect('2'), undefined);
});
