import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { until } from './rig.ts';

/** Packets as the standard writes them, so that tests can send what no client library would. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

export function packet(firstByte: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([firstByte]), remainingLength(body.length), body]);
}

export function remainingLength(length: number): Buffer {
  const bytes: number[] = [];
  let left = length;
  do {
    bytes.push((left % 128) + (left >= 128 ? 128 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.from(bytes);
}

const number = (value: number) => Buffer.from([value >> 8, value & 255]);

export interface ConnectFields {
  username?: string;
  password?: string;
  keepaliveSeconds?: number;
  clean?: boolean;
  will?: { topic: string; payload: string };
}

/** A CONNECT that the rig accepts, unless `fields` say otherwise. */
export function connectPacket(droneId: string, fields: ConnectFields = {}): Buffer {
  const {
    username,
    password,
    keepaliveSeconds = 300,
    clean = true,
    will,
  } = {
    username: droneId,
    password: `${droneId}-secret`,
    ...fields,
  };
  const flags =
    (username === undefined ? 0 : 128) + (password === undefined ? 0 : 64) + (will ? 4 : 0) + (clean ? 2 : 0);
  return packet(
    0x10,
    text('MQTT'),
    Buffer.from([4, flags]),
    number(keepaliveSeconds),
    text(droneId),
    ...(will ? [text(will.topic), text(will.payload)] : []),
    ...(username === undefined ? [] : [text(username)]),
    ...(password === undefined ? [] : [text(password)]),
  );
}

export function publishPacket(topic: string, payload: string | Buffer, id: number, qos: 0 | 1 | 2 = 1): Buffer {
  return packet(0x30 | (qos << 1), text(topic), qos === 0 ? Buffer.alloc(0) : number(id), Buffer.from(payload));
}

export function subscribePacket(id: number, ...filters: string[]): Buffer {
  return packet(0x82, number(id), ...filters.flatMap(filter => [text(filter), Buffer.from([1])]));
}

export const disconnectPacket = packet(0xe0);
export const pingPacket = packet(0xc0);

export interface RawClient {
  socket: Socket;
  send(...packets: Buffer[]): void;
  /** Every whole packet received so far, as hex. */
  received(): string[];
  /** Waits for the packet with that number, counted from 0. */
  answer(index: number): Promise<string>;
  readonly closed: boolean;
  untilClosed(): Promise<void>;
}

export function openRaw(t: TestContext, port: number): RawClient {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  let closed = false;
  socket.on('data', chunk => chunks.push(chunk));
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  t.after(() => socket.destroy());
  const received = () => split(Buffer.concat(chunks));
  return {
    socket,
    send: (...packets) => void socket.write(Buffer.concat(packets)),
    received,
    answer: index => until(`answer ${index}`, () => received()[index]),
    get closed() {
      return closed;
    },
    untilClosed: async () => void (await until('the close', () => closed)),
  };
}

/** A raw client whose CONNECT was accepted. */
export async function connectRaw(
  t: TestContext,
  port: number,
  droneId: string,
  fields?: ConnectFields,
): Promise<RawClient> {
  const client = openRaw(t, port);
  client.send(connectPacket(droneId, fields));
  const answer = await client.answer(0);
  if (answer !== '20020000') throw new Error(`CONNACK ${answer}`);
  return client;
}

/** Answers are short: their remaining length is one byte. */
function split(bytes: Buffer): string[] {
  const packets: string[] = [];
  for (let at = 0; at + 2 <= bytes.length && at + 2 + bytes[at + 1]! <= bytes.length; at += 2 + bytes[at + 1]!) {
    packets.push(bytes.subarray(at, at + 2 + bytes[at + 1]!).toString('hex'));
  }
  return packets;
}
