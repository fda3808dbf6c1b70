import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import { archiveColumns } from '../../cloud/archive/columns.ts';
import { type MessageKind, messageKinds, Telemetry } from '../../core/messages.ts';
import { streamsOf } from '../../core/streams.ts';
import { topicTemplate } from '../../core/topics.ts';
import { asyncApi, jsonSchemas } from '../asyncapi.ts';
import { messagesPage } from '../messages-page.ts';

const { v, droneId, fleet, epoch, seq, observedAtMs } = Telemetry.properties;

/** The worked example of docs/extend.md. */
const noise: MessageKind = {
  kind: 'noise',
  title: 'How loud it is where the drone hovers.',
  direction: 'up',
  content: 'json',
  schema: Type.Object({
    v,
    droneId,
    fleet,
    epoch,
    seq,
    observedAtMs,
    levelDb: Type.Number({ minimum: 0, maximum: 200 }),
  }),
  stream: 'noise',
  numbered: true,
  retained: false,
  maxPayloadBytes: 4096,
  example: {
    v: 1,
    droneId: 'nyc-0007',
    fleet: 'nyc',
    epoch: '01K0N1V7Z0J8Q4S6T2W9X3Y5AB',
    seq: 1,
    observedAtMs: 1_795_605_600_000,
    levelDb: 71.5,
  },
};
const kinds = [...messageKinds, noise];

test('one entry in the table gives the new kind its topic, stream, schema, archive columns and documents', () => {
  assert.equal(topicTemplate(noise), 'prestacop/v1/{fleet}/{droneId}/noise');
  const stream = streamsOf(kinds).find(({ name }) => name === 'noise');
  assert.deepEqual(stream, { name: 'noise', key: 'droneId', archived: true, kinds: [noise] });

  const columns = archiveColumns('noise', stream!.kinds).map(({ name, type }) => `${name} ${type}`);
  for (const column of ['payload BLOB', 'drone_id VARCHAR', 'epoch VARCHAR', 'seq BIGINT', 'level_db DOUBLE']) {
    assert.ok(columns.includes(column), `${column} is not among ${columns}`);
  }

  const { $defs } = jsonSchemas(kinds) as { $defs: Record<string, { properties: object }> };
  assert.ok('levelDb' in $defs.noise!.properties);

  const document = asyncApi(kinds, '0') as { channels: Record<string, { address: string }>; operations: object };
  assert.equal(document.channels.noise!.address, topicTemplate(noise));
  assert.ok('receive-noise' in document.operations);

  const page = messagesPage(kinds, {});
  assert.match(page, /^## noise$/m);
  assert.match(page, /^\| `levelDb` \| number \| 0 to 200 \| {2}\|$/m);
});
