import { createHash } from 'node:crypto';
import type { MessageKind } from '../core/messages.ts';
import { settings } from '../core/settings.ts';
import { encodeTopic, topicTemplate } from '../core/topics.ts';

const shown = (name: keyof typeof settings) => `\`${name}\` (${settings[name].defaultText})`;

const opening = `# Messages

<!-- Made by "npm run docs" from core/messages.ts and bridge/rejections.ts. -->

What a device must send to be one of the fleet. Transport is MQTT 3.1.1 over TCP, TLS, or WebSocket (path \`/mqtt\`). For
programs: [messages.schema.json](messages.schema.json) (JSON Schema), [asyncapi.yaml](asyncapi.yaml) (AsyncAPI 3.0).

## Connecting

- Client id is the drone's id, and so is the user name where one is sent; the password is the one that
  \`npm run drone -- add ID --fleet FLEET\` printed.
- Clean session. Keep-alive 300 s, so that a large picture on a thin link does not look like silence; never 0, at most
  \`BROKER_KEEPALIVE_MAX_SECONDS\`. A second connection of the same drone ends the first.
- Leave a \`state\` message with \`"status": "offline"\` as last will (QoS 1, retained) on your own \`state\` topic, nowhere else.
- After CONNACK publish \`state\` with \`"status": "online"\` (QoS 1, retained), and subscribe to your own \`command\` topic at QoS 1.
  Repeat \`state\` at least every five minutes.
- You may publish under your own id only, and subscribe to exactly your own commands. Any other publish closes the
  connection; any other subscription is answered with 128.

| CONNACK | means | what to do |
| --- | --- | --- |
| 2 | the client id is no drone id, or the keep-alive is 0 or too long | change it |
| 3 | the log cannot store messages now | keep what you have and try again: after 1 s, doubled up to a minute, a random part of it each time |
| 4 | id and password do not fit, or the drone was revoked | a new password |
| 5 | the will is not on your own \`state\` topic | change it |

## Sending, and what a PUBACK means

Everything is QoS 1. **A PUBACK means: the message is durable in the log.** Until it comes, keep the message on disk, and after a
reconnect send it again, unchanged. When the log cannot store, no PUBACK comes and the connection is closed. PUBACKs come in
the order in which you sent. A message that was stored may come twice into the log; its identity makes that harmless.

A message that cannot be accepted gets a PUBACK too: it is stored with its original bytes in the stream \`rejected\`, with a
reason (below). Sending it again would not help.

Limits of a connection:

- A packet above ${shown('BROKER_PACKET_MAX_BYTES')} closes it, as soon as its fixed header says so.
- So does a silence of ${shown('BROKER_STALL_TIMEOUT_MS')} milliseconds inside a packet.
- With ${shown('BROKER_UNACKED_MAX_PACKETS')} messages or ${shown('BROKER_UNACKED_MAX_BYTES')} without PUBACK nothing more is read from it until PUBACKs
  have gone out: send on, nothing is lost.

## Identity

- \`droneId\`, \`fleet\`: lower-case letters, digits and hyphens, 1 to 32, beginning with no hyphen. As in the topic.
- \`epoch\`: a [ULID](https://github.com/ulid/spec), made when the drone's outbox is created, with a random part from a source fit for secrets. A wiped or
  restored outbox begins a new epoch.
- \`seq\`: 1, 2, 3 ... without gaps, **for each kind of its own**, within the epoch. Give the number in the same transaction that stores the message. What
  finds no room gets no number and is counted in \`state\` (\`refused\`).
- (droneId, epoch, kind, seq) names a numbered message for ever: never give the same name to other content. Pictures are named by
  their SHA-256.

\`npm run audit\` reads the ledgers of simulated drones; of a real device it takes the last \`state\`: per numbered kind the highest seq made,
the lowest without PUBACK (absent when none waits), and how many were refused. \`backlogMessages\` counts pictures too: when a
\`state\` says 0, every frame listed by the telemetry made until then must be stored. An image must be before its violation is.

## Fields

Times are UTC milliseconds since 1970 in \`observedAtMs\`, by the drone's clock; any age is accepted, more than 24 hours ahead of receipt is not.
Units are in the names: \`Ms\` milliseconds, \`M\` metres, \`Mps\` metres a second, \`Deg\` degrees clockwise from north, \`Pct\` per cent, \`C\` degrees
Celsius, \`Bytes\` bytes. Members that the tables do not list are accepted and stored.
`;

/** `docs/messages.md`: every message with topic, stream, fields and an example, and why messages are rejected. */
export function messagesPage(
  kinds: readonly MessageKind[],
  rejectionReasons: Readonly<Record<string, string>>,
): string {
  const overview = [
    '| kind | direction | topic | stream | numbered | retained | at most |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...kinds.map(
      entry =>
        `| [\`${entry.kind}\`](#${entry.kind}) | ${entry.direction} | \`${topicTemplate(entry)}\` | \`${entry.stream}\` | ` +
        `${yes(entry.numbered)} | ${yes(entry.retained)} | ${entry.maxPayloadBytes / 1024} KiB |`,
    ),
  ].join('\n');
  const reasons = Object.entries(rejectionReasons).map(([code, sentence]) => `| \`${code}\` | ${cell(sentence)} |`);
  return `${[
    opening,
    `## All kinds\n\n${overview}\n\nRecords in the log are keyed by drone id, so the order of one drone's messages holds within a stream.\n`,
    ...kinds.map(section),
    `## Why a message is rejected\n\n| reason | means |\n| --- | --- |\n${reasons.join('\n')}\n`,
  ].join('\n')}`;
}

function section(entry: MessageKind): string {
  const { kind, title, direction, schema, example, stream } = entry;
  const lines = [
    `## ${kind}`,
    '',
    title,
    '',
    `Topic \`${topicTemplate(entry)}\`, ${direction === 'up' ? 'from the drone' : 'to the drone'}; stream \`${stream}\`, key \`droneId\`.`,
    '',
  ];
  if (schema === undefined) {
    lines.push(
      'The payload is the JPEG or PNG file as it is; `imageId` is its SHA-256 in lower-case hex. For example:',
      '',
      '```text',
      ...pictureExample(kind),
      '```',
      '',
    );
    return lines.join('\n');
  }
  lines.push('| field | type | allowed | |', '| --- | --- | --- | --- |', ...fieldRows(schema as Schema, ''), '');
  if (example !== undefined) lines.push('```json', JSON.stringify(example, null, 2), '```', '');
  return lines.join('\n');
}

/** A PNG of one grey pixel, shown whole: whoever hashes these bytes finds the id in the topic. */
const picture = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg==',
  'base64',
);

function pictureExample(kind: string): string[] {
  const imageId = createHash('sha256').update(picture).digest('hex');
  const rows = picture.toString('hex').match(/.{1,48}/g)!;
  return [
    `topic    ${encodeTopic({ fleet: 'nyc', droneId: 'nyc-0007', kind, imageId })}`,
    `payload  ${picture.length} bytes, of which the first eight say PNG (a JPEG begins with ff d8 ff)`,
    ...rows.map(row => `         ${row.match(/../g)!.join(' ')}`),
  ];
}

/** What of JSON Schema the table's schemas use. */
interface Schema {
  type?: string;
  const?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
  maxLength?: number;
  maxItems?: number;
  pattern?: string;
  description?: string;
}

function fieldRows(schema: Schema, prefix: string): string[] {
  const required = new Set(schema.required);
  const members = Object.entries(schema.properties ?? {}).map(
    ([name, member]) => [name, member, required.has(name)] as const,
  );
  const named = Object.entries(schema.patternProperties ?? {}).map(([, member]) => ['{name}', member, false] as const);
  return [...members, ...named].flatMap(([name, member, needed]) => {
    const path = `${prefix}${name}`;
    const notes = [member.description, needed ? undefined : 'optional'].filter(note => note !== undefined);
    const row = `| \`${path}\` | ${typeOf(member)} | ${cell(allowed(member))} | ${cell(notes.join('; '))} |`;
    const inner = member.items ?? member;
    return [row, ...fieldRows(inner, member.items === undefined ? `${path}.` : `${path}[].`)];
  });
}

function typeOf(schema: Schema): string {
  if (schema.anyOf !== undefined) return typeOf(schema.anyOf[0]!);
  if (schema.type === 'array') return `array of ${typeOf(schema.items ?? {})}`;
  return schema.type ?? 'any';
}

function allowed(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(({ const: value }) => `\`${value}\``).join(', ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.type === 'array') {
    const inner = allowed(schema.items ?? {});
    return `at most ${schema.maxItems}${inner === '' ? '' : `, each ${inner}`}`;
  }
  if (schema.pattern !== undefined) return `\`${schema.pattern}\``;
  if (schema.maxLength !== undefined) return `at most ${schema.maxLength} characters`;
  const { minimum, maximum, exclusiveMaximum } = schema;
  if (exclusiveMaximum !== undefined) return `from ${minimum} to below ${exclusiveMaximum}`;
  if (maximum === Number.MAX_SAFE_INTEGER) return `from ${minimum} on`;
  return minimum === undefined ? '' : `${minimum} to ${maximum}`;
}

function yes(value: boolean): string {
  return value ? 'yes' : '';
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
