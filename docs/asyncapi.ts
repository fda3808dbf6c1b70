import { idPattern, sha256Pattern } from '../core/ids.ts';
import type { MessageKind } from '../core/messages.ts';
import { topicTemplate } from '../core/topics.ts';

/** JSON Schema (2020-12) of every JSON message, by kind under `$defs`. */
export function jsonSchemas(kinds: readonly MessageKind[]): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Messages of prestacop, version 1',
    $defs: Object.fromEntries(
      kinds
        .filter(({ schema }) => schema !== undefined)
        .map(({ kind, title, schema }) => [kind, { description: title, ...plain(schema) }]),
    ),
  };
}

/** The message table as an AsyncAPI 3.0.0 document, seen from prestacop: it receives what goes up and sends what goes down. */
export function asyncApi(kinds: readonly MessageKind[], version: string): object {
  const parameters = {
    fleet: { description: `The drone's fleet, ${idPattern}` },
    droneId: { description: `The drone, unique over all fleets, ${idPattern}` },
    imageId: { description: `SHA-256 of the payload in hex, ${sha256Pattern}` },
  };
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'prestacop',
      version,
      description: 'What a drone and prestacop say to each other over MQTT 3.1.1. For people: docs/messages.md.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: {
      embedded: { host: '127.0.0.1:1883', protocol: 'mqtt', protocolVersion: '3.1.1' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(
      kinds.map(entry => [
        entry.kind,
        {
          address: topicTemplate(entry),
          messages: { [entry.kind]: { $ref: `#/components/messages/${entry.kind}` } },
          parameters: Object.fromEntries(
            Object.entries(parameters).filter(([name]) => topicTemplate(entry).includes(`{${name}}`)),
          ),
        },
      ]),
    ),
    operations: Object.fromEntries(
      kinds.map(({ kind, title, direction, retained }) => [
        `${direction === 'up' ? 'receive' : 'send'}-${kind}`,
        {
          action: direction === 'up' ? 'receive' : 'send',
          channel: { $ref: `#/channels/${kind}` },
          summary: title,
          messages: [{ $ref: `#/channels/${kind}/messages/${kind}` }],
          bindings: { mqtt: { qos: 1, retain: retained, bindingVersion: '0.2.0' } },
        },
      ]),
    ),
    components: { messages: Object.fromEntries(kinds.map(entry => [entry.kind, message(entry)])) },
  };
}

function message({ kind, title, schema, example }: MessageKind): object {
  if (schema === undefined) {
    return {
      name: kind,
      summary: title,
      contentType: 'application/octet-stream',
      payload: { type: 'string', description: 'The bytes of a JPEG or PNG picture' },
    };
  }
  return {
    name: kind,
    summary: title,
    contentType: 'application/json',
    payload: plain(schema),
    ...(example === undefined ? {} : { examples: [{ payload: example }] }),
  };
}

function plain(schema: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(schema));
}
