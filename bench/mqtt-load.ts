import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { newUlid } from '../core/ids.ts';
import { messageKinds } from '../core/messages.ts';
import { encodeTopic } from '../core/topics.ts';
import { cpuSecondsOf } from './process.ts';

/**
 * QoS 1 publishers on raw sockets, so that the generator costs less than what it measures. Without --rate each keeps
 * --window messages in flight; with it all together offer that many a second. Prints one JSON document.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    credentials: { type: 'string' },
    publishers: { type: 'string', default: '10' },
    window: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '5' },
    'warm-up-s': { type: 'string', default: '1' },
    rate: { type: 'string', default: '0' },
    /** Process whose CPU is measured over the same seconds. */
    pid: { type: 'string' },
  },
});
const [publishers, window, seconds, warmUpS, rate] = [
  values.publishers,
  values.window,
  values.seconds,
  values['warm-up-s'],
  values.rate,
].map(Number) as [number, number, number, number, number];
const drones = readFileSync(values.credentials!, 'utf8')
  .trim()
  .split('\n')
  .slice(0, publishers)
  .map(line => JSON.parse(line) as { droneId: string; fleet: string; password: string });

const payloadBytes = 300;
const example = messageKinds.find(({ kind }) => kind === 'telemetry')!.example!;
const firstSeq = 1_000_000_000;
let measuring = false;
let stopping = false;
const latenciesMs: number[] = [];
let acknowledged = 0;

class Publisher {
  #socket: Socket;
  #template: Buffer;
  #seqAt: number;
  #seq = firstSeq;
  #packetId = 0;
  #sentAtMs = new Float64Array(65_536);
  #rest: Buffer = Buffer.alloc(0);
  inFlight = 0;
  readonly connected: Promise<void>;

  constructor({ droneId, fleet, password }: (typeof drones)[number]) {
    const message = { ...example, droneId, fleet, epoch: newUlid(), seq: firstSeq, observedAtMs: Date.now() };
    let json = JSON.stringify(message);
    json = `${json.slice(0, -1)},"pad":"${'x'.repeat(Math.max(0, payloadBytes - json.length - 9))}"}`;
    this.#template = publishPacket(encodeTopic({ fleet, droneId, kind: 'telemetry' }), json);
    this.#seqAt = this.#template.indexOf(String(firstSeq));
    this.#socket = connect({ port: Number(values.port), host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', error => {
      if (!stopping) throw error;
    });
    this.#socket.write(connectPacket(droneId, password));
    this.connected = new Promise((resolve, reject) => {
      this.#socket.once('data', (data: Buffer) => {
        if (data[0] !== 0x20 || data[3] !== 0) reject(new Error(`CONNACK ${data.toString('hex')}`));
        this.#socket.on('data', chunk => this.#onData(chunk));
        resolve();
      });
    });
  }

  send(count: number): void {
    const size = this.#template.length;
    const buffer = Buffer.allocUnsafe(count * size);
    const nowMs = performance.now();
    for (let index = 0; index < count; index++) {
      const at = index * size;
      this.#template.copy(buffer, at);
      buffer.write(String(this.#seq++), at + this.#seqAt, 'latin1');
      this.#packetId = (this.#packetId % 65_535) + 1;
      buffer.writeUInt16BE(this.#packetId, at + packetIdAt(this.#template));
      this.#sentAtMs[this.#packetId] = nowMs;
    }
    this.inFlight += count;
    this.#socket.write(buffer);
  }

  end(): void {
    this.#socket.end(Buffer.of(0xe0, 0));
  }

  #onData(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const nowMs = performance.now();
    let at = 0;
    let count = 0;
    for (; at + 4 <= data.length; at += 4, count++) {
      if (data[at] !== 0x40) throw new Error(`expected a PUBACK, found ${data.toString('hex', at, at + 4)}`);
      if (measuring && rate > 0) latenciesMs.push(nowMs - this.#sentAtMs[data.readUInt16BE(at + 2)]!);
    }
    this.#rest = data.subarray(at);
    this.inFlight -= count;
    if (measuring) acknowledged += count;
    // A quarter of the window at a time: one write for many, or the generator is what is measured.
    const free = window - this.inFlight;
    if (rate === 0 && !stopping && free >= window / 4) this.send(free);
  }
}

function connectPacket(clientId: string, password: string): Buffer {
  const body = Buffer.concat([
    text('MQTT'),
    Buffer.of(4, 0xc2, 300 >> 8, 300 & 255),
    text(clientId),
    text(clientId),
    text(password),
  ]);
  return Buffer.concat([Buffer.of(0x10), remainingLength(body.length), body]);
}

function publishPacket(topic: string, json: string): Buffer {
  const body = Buffer.concat([text(topic), Buffer.alloc(2), Buffer.from(json)]);
  return Buffer.concat([Buffer.of(0x32), remainingLength(body.length), body]);
}

function packetIdAt(packet: Buffer): number {
  const header = packet[1]! < 128 ? 2 : 3;
  return header + 2 + packet.readUInt16BE(header);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
}

function remainingLength(length: number): Buffer {
  return length < 128 ? Buffer.of(length) : Buffer.of((length & 127) | 128, length >> 7);
}

function serverCpuS(): number {
  return values.pid === undefined ? 0 : cpuSecondsOf(Number(values.pid));
}

const all = drones.map(drone => new Publisher(drone));
await Promise.all(all.map(({ connected }) => connected));
let offered = 0;
const startMs = performance.now();
const tick =
  rate === 0
    ? undefined
    : setInterval(() => {
        const due = Math.floor(((performance.now() - startMs) * rate) / 1000) - offered;
        for (const [index, publisher] of all.entries()) {
          const share = Math.floor((due + index) / all.length);
          if (share > 0) publisher.send(share);
          offered += share;
        }
      }, 2);
if (rate === 0) for (const publisher of all) publisher.send(window);
const pause = (s: number) => new Promise(resolve => setTimeout(resolve, s * 1000));
await pause(warmUpS);
measuring = true;
const [beginMs, beginCpu, beginServerS] = [performance.now(), process.cpuUsage(), serverCpuS()];
await pause(seconds);
const elapsedS = (performance.now() - beginMs) / 1000;
const cpu = process.cpuUsage(beginCpu);
const serverS = serverCpuS() - beginServerS;
measuring = false;
stopping = true;
clearInterval(tick);
for (const publisher of all) publisher.end();
latenciesMs.sort((a, b) => a - b);
const percentile = (p: number) => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * p))];
process.stdout.write(
  `${JSON.stringify({
    messagesPerSecond: acknowledged / elapsedS,
    acknowledged,
    serverMicrosecondsPerMessage: (serverS / acknowledged) * 1e6,
    generatorCpu: (cpu.user + cpu.system) / 1e6 / elapsedS,
    ...(rate > 0 ? { p50Ms: percentile(0.5), p99Ms: percentile(0.99), maxMs: latenciesMs.at(-1) } : {}),
  })}\n`,
);
