import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import Type from 'typebox';
import { type MessageKind, messageKinds } from '../../../core/messages.ts';
import { streams, streamsOf } from '../../../core/streams.ts';
import type { LogRecord } from '../../../log/event-log.ts';
import { archiveColumns, isPacked } from '../columns.ts';
import { configIn, epoch, openArchive, openLog, query, record, temporaryFolder } from './archive-scene.ts';

const describe = (stream: string, kinds: readonly MessageKind[]) =>
  archiveColumns(stream, kinds).map(({ name, type }) => `${name} ${type}`);
const own = (list: string[]) => list.slice(8);

test('every stream begins with the record’s own columns, without the payload where it lies in a pack', () => {
  const packed = ['image', 'frame'];
  for (const { name, kinds } of streams) {
    const expected = [
      'partition INTEGER',
      'offset BIGINT',
      'received_at TIMESTAMP WITH TIME ZONE',
      'key VARCHAR',
      'headers MAP(VARCHAR, VARCHAR)',
      'kind VARCHAR',
      ...(packed.includes(name) ? [] : ['payload BLOB']),
      'redelivery BOOLEAN',
    ];
    assert.deepEqual(describe(name, kinds).slice(0, expected.length), expected);
    assert.equal(isPacked(kinds), packed.includes(name));
    const names = archiveColumns(name, kinds).map(column => column.name);
    assert.equal(new Set(names).size, names.length);
  }
});

test('columns follow a new kind in the message table, and the union of a stream’s kinds', () => {
  const kind: MessageKind = {
    ...messageKinds[0]!,
    kind: 'noise',
    stream: 'noise',
    schema: Type.Object({
      seq: Type.Integer(),
      observedAtMs: Type.Integer(),
      heardAtMs: Type.Optional(Type.Integer()),
      levelDb: Type.Number(),
      loud: Type.Boolean(),
      bins: Type.Array(Type.Object({ fromHz: Type.Integer({ maximum: 30_000 }), levelDb: Type.Number() })),
      place: Type.Object({ lat: Type.Number() }),
      tags: Type.Record(Type.String({ pattern: '^[a-z]+$' }), Type.String()),
      kind: Type.Union([Type.Literal('horn'), Type.Literal('engine')]),
      anything: Type.Unknown(),
      disputed: Type.Integer({ maximum: 9 }),
    }),
  };
  const other: MessageKind = {
    ...kind,
    kind: 'noise-report',
    schema: Type.Object({ seq: Type.Integer(), levelDb: Type.Integer(), note: Type.String(), disputed: Type.String() }),
  };
  const stream = streamsOf([...messageKinds, kind, other]).find(({ name }) => name === 'noise')!;
  assert.deepEqual(own(describe('noise', stream.kinds)), [
    'seq BIGINT',
    'observed_at_ms BIGINT',
    'observed_at TIMESTAMP WITH TIME ZONE',
    'observed_local TIMESTAMP',
    'heard_at_ms BIGINT',
    'heard_at TIMESTAMP WITH TIME ZONE',
    'level_db DOUBLE',
    'loud BOOLEAN',
    'bins STRUCT("fromHz" INTEGER, "levelDb" DOUBLE)[]',
    'place STRUCT("lat" DOUBLE)',
    'tags MAP(VARCHAR, VARCHAR)',
    'message_kind VARCHAR',
    'anything JSON',
    'disputed JSON',
    'note VARCHAR',
  ]);
});

test('the columns of violation are those its schema names', () => {
  const { kinds } = streams.find(({ name }) => name === 'violation')!;
  const columns = describe('violation', kinds);
  for (const expected of [
    'plate VARCHAR',
    'code INTEGER',
    'candidates STRUCT("code" INTEGER, "confidence" DOUBLE)[]',
    'images VARCHAR[]',
    'answers STRUCT("command" VARCHAR, "case" VARCHAR)',
    'reason VARCHAR',
  ]) {
    assert.ok(columns.includes(expected), expected);
  }
});

const rowsOf = async (t: Parameters<typeof temporaryFolder>[0], stream: string, list: LogRecord[], sql: string) => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const { archive } = await openArchive(t, config, { log, only: [stream] });
  await log.append(stream, list);
  await archive.stop();
  assert.equal(archive.health().problem, undefined);
  assert.equal(archive.counts().recordsArchived, list.length);
  return query(config.DATA_DIR, stream, sql);
};

test('the whole example of every kind is in its typed columns', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const { archive } = await openArchive(t, config, { log });
  for (const { kind, stream, example } of messageKinds) {
    if (example !== undefined) await log.append(stream, [record(kind)]);
  }
  await archive.stop();
  const [violation] = await query(
    config.DATA_DIR,
    'violation',
    `select seq, plate, code, reason, to_json(candidates)::varchar as candidates, images, answers, observed_at::varchar as at,
      observed_local::varchar as local, observed_at_ms as ms from $files`,
  );
  assert.deepEqual(violation, {
    seq: 12n,
    plate: 'GBB9093',
    code: null,
    reason: 'two-codes-possible',
    candidates: '[{"code":14,"confidence":0.48},{"code":19,"confidence":0.41}]',
    images: [],
    answers: null,
    at: '2026-11-25 11:20:01.25+00',
    local: '2026-11-25 06:20:01.25',
    ms: 1_795_605_601_250n,
  });
  const sql = `select kinds['telemetry'].made as made, kinds['ack'].refused as refused, backlog_bytes as b, status from $files`;
  assert.deepEqual(await query(config.DATA_DIR, 'state', sql), [
    { made: 4710n, refused: 0n, b: 1140n, status: 'online' },
  ]);
  const commands = await query(
    config.DATA_DIR,
    'command',
    'select kind, seq, action, outcome, issued_at::varchar as issued, epoch from $files order by "offset"',
  );
  assert.deepEqual(commands, [
    { kind: 'command', seq: null, action: 'hold', outcome: null, issued: '2026-11-25 11:20:02+00', epoch },
    { kind: 'ack', seq: 1n, action: null, outcome: 'done', issued: null, epoch },
  ]);
});

test('wall clocks of both sides of a change of the clocks are New York’s', async t => {
  const times = ['2026-03-08T06:59:59Z', '2026-03-08T07:00:00Z', '2026-11-01T05:59:59Z', '2026-11-01T06:00:00Z'];
  const list = times.map((time, index) => record('telemetry', { seq: index + 1, observedAtMs: Date.parse(time) }));
  const rows = await rowsOf(t, 'telemetry', list, 'select observed_local::varchar as l from $files order by seq');
  assert.deepEqual(
    rows.map(({ l }) => l),
    ['2026-03-08 01:59:59', '2026-03-08 03:00:00', '2026-11-01 01:59:59', '2026-11-01 01:00:00'],
  );
});

test('nothing in a message stops the archive: what a column cannot hold is null, and the bytes stay', async t => {
  const odd = [
    '{"seq":1',
    '',
    'null',
    '[1,2]',
    '"text"',
    '{"lat":"forty","lon":1e999,"mode":{"a":1},"frames":"x"}',
    '{"seq":1.5,"droneId":5,"epoch":[],"observedAtMs":1e300}',
    '{"observedAtMs":9223372036854775807,"v":99999999999}',
    `{"mode":"${'\\ud800'}","fleet":"x"}`,
    '{"mode":"a\\u0000b","fleet":"\u{1f681} é"}',
    '{"LAT":1,"lat":2}',
    `${'['.repeat(5000)}`,
  ].map(text => ({ ...record('telemetry'), payload: Buffer.from(text) }));
  odd.push({ ...record('telemetry'), payload: Buffer.from([0xff, 0xfe, 0x00, 0x80]) });
  odd.push({ key: 'ключ', headers: {}, payload: Buffer.from('{}') });
  odd.push({ key: '', headers: { "it's": 'a\0b', ünï: '\u{1f681}', kind: '' }, payload: randomBytes(300_000) });
  const rows = await rowsOf(
    t,
    'telemetry',
    [record('telemetry', { seq: 1 }), ...odd, record('telemetry', { seq: 2 })],
    'select key, headers, kind, payload, seq, lat, mode, fleet, observed_at, redelivery from $files order by "offset"',
  );
  assert.deepEqual(
    rows.map(({ payload }) => Buffer.from(payload as Uint8Array)),
    [record('telemetry', { seq: 1 }), ...odd, record('telemetry', { seq: 2 })].map(({ payload }) => payload),
  );
  assert.ok(rows.every(({ redelivery }) => redelivery === false));
  assert.deepEqual([rows[0]!.lat, rows.at(-1)!.lat], [40.75426, 40.75426]);
  assert.deepEqual([rows[10]!.mode, rows[10]!.fleet], ['a\0b', '\u{1f681} é']);
  assert.deepEqual([rows[14]!.key, rows[14]!.kind], ['ключ', null]);
  assert.deepEqual(rows[15]!.headers, [
    { key: "it's", value: 'a\0b' },
    { key: 'ünï', value: '\u{1f681}' },
    { key: 'kind', value: '' },
  ]);
});

test('a field named twice stands in the row as redelivery was judged by it', async t => {
  const plain = record('telemetry', { seq: 5 });
  const twice = Buffer.from(plain.payload).toString().replace('"seq":5', '"seq":4,"seq":5');
  const rows = await rowsOf(
    t,
    'telemetry',
    [plain, { ...plain, payload: Buffer.from(twice) }],
    'select seq, redelivery from $files order by "offset"',
  );
  assert.deepEqual(rows, [
    { seq: 5n, redelivery: false },
    { seq: 5n, redelivery: true },
  ]);
});

test('a fleet’s own format keeps its bytes, and the adapter’s message fills the columns and the identity', async t => {
  const { payload, ...adapted } = record('telemetry', { seq: 9 });
  const bytes = Buffer.from([1, 2, 3, 255]);
  const headers = { ...adapted.headers, message: payload.toString() };
  const rows = await rowsOf(
    t,
    'telemetry',
    [{ ...adapted, headers, payload: bytes }, record('telemetry', { seq: 9 })],
    'select payload, lat, seq, redelivery from $files order by "offset"',
  );
  assert.deepEqual(Buffer.from(rows[0]!.payload as Uint8Array), bytes);
  assert.deepEqual(
    rows.map(({ lat, seq, redelivery }) => [lat, seq, redelivery]),
    [
      [40.75426, 9n, false],
      [40.75426, 9n, true],
    ],
  );
});

test('what the bridge says of a rejected message is in columns', async t => {
  const headers = { reason: 'BAD_SEQ', topic: 'a/b', kind: 'telemetry', droneId: 'nyc-0001', epoch, seq: '17' };
  const rows = await rowsOf(
    t,
    'rejected',
    [
      { key: 'nyc-0001', headers, payload: Buffer.from('{"seq":17') },
      { key: '', headers: { reason: 'BAD_TOPIC', topic: '\u{1f681}', seq: 'many' }, payload: new Uint8Array(0) },
    ],
    'select reason, topic, kind, drone_id, epoch, seq, redelivery from $files order by "offset"',
  );
  assert.deepEqual(rows, [
    { reason: 'BAD_SEQ', topic: 'a/b', kind: 'telemetry', drone_id: 'nyc-0001', epoch, seq: 17n, redelivery: false },
    { reason: 'BAD_TOPIC', topic: '\u{1f681}', kind: null, drone_id: null, epoch: null, seq: null, redelivery: false },
  ]);
});

test('any headers and any bytes come back as they were', async t => {
  const texts = fc.string({ unit: 'binary', maxLength: 12 }).map(text => text.toWellFormed());
  const record = fc.record({
    key: texts,
    headers: fc
      .uniqueArray(fc.tuple(texts, texts), { selector: ([name]) => name, maxLength: 9 })
      .map(pairs => Object.fromEntries(pairs.filter(([name]) => name !== 'mark' && name !== '__proto__'))),
    payload: fc.uint8Array({ maxLength: 400 }),
  });
  const list = fc.sample(record, { numRuns: 1500, seed: 7 });
  const rows = await rowsOf(t, 'audit', list, 'select key, headers, payload from $files order by "offset"');
  const asRow = ({ key, headers, payload }: LogRecord) => ({
    key,
    headers: Object.entries(headers).map(([name, value]) => ({ key: name, value })),
    payload: Buffer.from(payload),
  });
  rows.forEach((row, index) => {
    const found = { ...row, payload: Buffer.from(row.payload as Uint8Array) };
    assert.deepEqual(found, asRow(list[index]!));
  });
  assert.equal(rows.length, list.length);
});
