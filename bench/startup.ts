import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import mqtt from 'mqtt';
import { newUlid } from '../core/ids.ts';
import { messageKinds } from '../core/messages.ts';
import { machine, prestacop, runJson, spread, start } from './process.ts';

/**
 * From the start of the whole embedded run (20 drones) to the first PUBACK that a device of its own gets which tries to
 * connect all the time. The first run of a fresh folder is printed apart: it makes outbox and passwords. Bar: 1.0 s.
 */
const runs = Number(process.argv[2] ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));
const credentials = join(folder, 'drones.jsonl');
const env = {
  DATA_DIR: join(folder, 'data'),
  BROKER_PORT: '18831',
  OPS_PORT: '0',
  LOG_LEVEL: 'warn',
  EDGE_DISK_RESERVE_BYTES: '0',
};
const example = messageKinds.find(({ kind }) => kind === 'telemetry')!.example!;

async function firstPubackMs(): Promise<{ ms: number; rssMiB: number }> {
  const { droneId, fleet, password } = JSON.parse(readFileSync(credentials, 'utf8').split('\n')[0]!);
  const beginMs = performance.now();
  const server = start(prestacop('start'), { env });
  try {
    for (;;) {
      const client = mqtt.connect('mqtt://127.0.0.1:18831', {
        clientId: droneId,
        username: droneId,
        password,
        reconnectPeriod: 0,
      });
      try {
        await new Promise<void>((resolve, reject) =>
          client
            .once('connect', () => resolve())
            .once('error', reject)
            .once('close', () => reject()),
        );
        const message = { ...example, droneId, fleet, epoch: newUlid(), seq: 1, observedAtMs: Date.now() };
        await client.publishAsync(`prestacop/v1/${fleet}/${droneId}/telemetry`, JSON.stringify(message), { qos: 1 });
        const ms = performance.now() - beginMs;
        await wait(2000);
        return { ms, rssMiB: server.rssMiB() };
      } catch {
        if (performance.now() - beginMs > 15_000) throw new Error('no PUBACK within 15 s');
        await wait(5);
      } finally {
        client.end(true);
      }
    }
  } finally {
    await server.stop();
  }
}

try {
  await runJson(prestacop('drone', 'add', 'bench-0001', '--fleet', 'bench', '--json'), env);
  await runJson(prestacop('drone', 'add', '--count', '1', '--fleet', 'bench', '--out', credentials, '--json'), env);
  const fresh = await firstPubackMs();
  const again: (typeof fresh)[] = [];
  for (let run = 0; run < runs; run++) again.push(await firstPubackMs());
  process.stdout.write(`${machine()}\n`);
  process.stdout.write(`start to first PUBACK, fresh folder: ${fresh.ms.toFixed(0)} ms\n`);
  process.stdout.write(
    `start to first PUBACK, ${runs} restarts: ${spread(
      again.map(({ ms }) => ms),
      0,
    )} ms, bar 1000\n`,
  );
  process.stdout.write(
    `RSS two seconds later: ${spread(
      again.map(({ rssMiB }) => rssMiB),
      0,
    )} MiB\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
