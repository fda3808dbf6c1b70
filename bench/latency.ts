import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { machine, median, prestacop, runJson, spread, start, waitForPort } from './process.ts';

/**
 * Time from PUBLISH to PUBACK at 5,000 messages/s offered over 10 connections, against the floor measured in the same
 * run: append + fdatasync of 64 KiB to a file in the same folder. Bars: p50 <= 2 x and p99 <= 3 x the floor, plus 1 ms each.
 * Printed beside it: what messages at that rate would take if each waited for the floor's call on its way and then for the
 * next, no server at all (a slow call counts once in the floor, but meets every message that comes in it); and what the same
 * load takes against a server that acknowledges at once and stores nothing.
 */
const runs = Number(process.argv[2] ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));
const credentials = join(folder, 'drones.jsonl');
const env = { DATA_DIR: join(folder, 'data'), BROKER_PORT: '18831', OPS_PORT: '0', LOG_LEVEL: 'warn' };

const messagesPerSecond = 5000;

interface Percentiles {
  p50Ms: number;
  p99Ms: number;
}

function percentiles(timesMs: number[]): Percentiles {
  timesMs.sort((a, b) => a - b);
  return { p50Ms: median(timesMs), p99Ms: timesMs[Math.floor(timesMs.length * 0.99)]! };
}

function measureFloor(): { perCall: Percentiles; perMessage: Percentiles } {
  const file = openSync(join(folder, 'floor'), 'a');
  const bytes = Buffer.alloc(64 * 1024, 1);
  const calls: { beginMs: number; endMs: number }[] = [];
  for (const endMs = performance.now() + 2000; performance.now() < endMs; ) {
    const beginMs = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    calls.push({ beginMs, endMs: performance.now() });
  }
  closeSync(file);
  rmSync(join(folder, 'floor'));
  const waitsMs: number[] = [];
  let arrivalMs = calls[0]!.beginMs;
  for (const [index, { endMs }] of calls.slice(0, -1).entries()) {
    for (; arrivalMs < endMs; arrivalMs += 1000 / messagesPerSecond) waitsMs.push(calls[index + 1]!.endMs - arrivalMs);
  }
  return {
    perCall: percentiles(calls.map(({ beginMs, endMs }) => endMs - beginMs)),
    perMessage: percentiles(waitsMs),
  };
}

interface Load extends Percentiles {
  messagesPerSecond: number;
}

function offer(port: number): Promise<Load> {
  const args = [
    '--port',
    String(port),
    '--credentials',
    credentials,
    '--rate',
    String(messagesPerSecond),
    '--seconds',
    '5',
  ];
  return runJson<Load>([process.execPath, 'bench/mqtt-load.ts', ...args]);
}

try {
  await runJson(prestacop('drone', 'add', '--count', '10', '--out', credentials, '--json'), env);
  const server = start(prestacop('start', 'broker', 'bridge'), { env });
  const echo = start([process.execPath, 'bench/puback-server.ts', '18832'], {});
  const rows: {
    floor: ReturnType<typeof measureFloor>;
    load: Load;
    echo: Load;
  }[] = [];
  try {
    await waitForPort(18831);
    await waitForPort(18832);
    for (let run = 0; run < runs; run++) {
      const floor = measureFloor();
      const load = await offer(18831);
      rows.push({ floor, load, echo: await offer(18832) });
    }
  } finally {
    await server.stop();
    await echo.stop();
  }
  const ratio = (p: 'p50Ms' | 'p99Ms') => rows.map(({ floor, load }) => (load[p] - 1) / floor.perCall[p]);
  process.stdout.write(
    `${machine()}\n${runs} runs of 5 s at ${spread(
      rows.map(({ load }) => load.messagesPerSecond),
      0,
    )} messages/s\n`,
  );
  for (const p of ['p50Ms', 'p99Ms'] as const) {
    process.stdout.write(
      `${p}: PUBACK ${spread(rows.map(({ load }) => load[p]))}, floor ${spread(rows.map(({ floor }) => floor.perCall[p]))}\n`,
    );
    process.stdout.write(
      `${p}: messages without a server, over the floor's calls ${spread(rows.map(({ floor }) => floor.perMessage[p]))}\n`,
    );
    process.stdout.write(`${p}: against a server without a disk ${spread(rows.map(({ echo }) => echo[p]))}\n`);
    process.stdout.write(`${p}: (PUBACK - 1 ms) / floor = ${spread(ratio(p))}, bar ${p === 'p50Ms' ? 2 : 3}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
