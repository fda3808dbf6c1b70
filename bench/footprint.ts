import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { rowBytes } from '../edge/outbox-statements.ts';
import { cpuSecondsOf, machine, prestacop, type Running, runJson, start, waitForPort } from './process.ts';

/**
 * What one device needs: the edge process of one drone, against broker, bridge and log in another process, with the defaults
 * and with the brief's 100 GB a day, with and without a link. Resident memory, share of a core, bytes written to its disk an
 * hour, and what an hour without a link leaves there: sizes as found, times the rates that were set. `--seconds 60` measures
 * each so long.
 */
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const seconds = Number(values.seconds);
const settleMs = 8000;
const opsPort = 18_837;
const port = 18_836;
const hour = 3600;
/** Their defaults. */
const violationsPerHour = 100;

interface Footprint {
  rssMiB: number;
  cpuShare: number;
  writtenBytesPerHour: number;
  acknowledgedPerS: number;
}

const loads: Record<string, Record<string, string>> = {
  defaults: {},
  '100 GB a day': { EDGE_FRAME_BYTES_PER_DAY: '100000000000' },
};

async function detail(): Promise<Record<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${opsPort}/health/edge`);
  return ((await answer.json()) as { detail: Record<string, number> }).detail;
}

/** Bytes that the process caused to be written to a disk, its page cache included. Linux. */
function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))![1]);
}

/** What an hour of messages takes in the outbox of a drone that reaches nobody, by the mean sizes of those that wait there. */
function hourWithoutLink(path: string, frameBytesPerDay: number): number {
  const database = new DatabaseSync(path, { readOnly: true });
  const mean = (sql: string) => Number(database.prepare(sql).get()!.bytes ?? 0) + rowBytes;
  const message = (kind: string) => mean(`select avg(length(payload)) as bytes from outbox where kind = '${kind}'`);
  const violation = message('violation') + mean("select avg(length) as bytes from picture where kind = 'image'");
  const bytes = hour * message('telemetry') + violationsPerHour * violation + frameBytesPerDay / 24;
  database.close();
  return bytes;
}

async function measure(running: Running): Promise<Footprint> {
  await wait(settleMs);
  const pid = running.child.pid!;
  const read = async () => ({
    atS: performance.now() / 1000,
    cpuS: cpuSecondsOf(pid),
    written: writtenBytes(pid),
    acknowledged: (await detail()).acknowledged!,
  });
  const before = await read();
  let rssMiB = 0;
  for (const endS = before.atS + seconds; performance.now() / 1000 < endS; await wait(500)) {
    rssMiB = Math.max(rssMiB, running.rssMiB());
  }
  const after = await read();
  const elapsedS = after.atS - before.atS;
  return {
    rssMiB,
    cpuShare: (after.cpuS - before.cpuS) / elapsedS,
    writtenBytesPerHour: ((after.written - before.written) / elapsedS) * hour,
    acknowledgedPerS: (after.acknowledged - before.acknowledged) / elapsedS,
  };
}

const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));
const shared = { DATA_DIR: join(folder, 'platform'), LOG_LEVEL: 'warn', BROKER_PORT: String(port), OPS_PORT: '0' };
const credentials = join(folder, 'drones.jsonl');
try {
  process.stdout.write(`${machine()}, ${seconds} s each\n`);
  const platform = start(prestacop('start', 'broker', 'bridge', 'archive'), { env: shared });
  try {
    await waitForPort(port);
    await runJson(prestacop('drone', 'add', '--count', '1', '--fleet', 'roof', '--out', credentials, '--json'), shared);
    for (const [name, load] of Object.entries(loads)) {
      for (const link of [true, false]) {
        const dataDir = join(folder, `${name} ${link}`);
        const running = start(prestacop('start', 'edge'), {
          env: {
            DATA_DIR: dataDir,
            LOG_LEVEL: 'error',
            OPS_PORT: String(opsPort),
            MQTT_URL: `mqtt://127.0.0.1:${link ? port : 1}`,
            EDGE_CREDENTIALS_FILE: credentials,
            EDGE_FLEET: 'roof',
            EDGE_DRONES: '1',
            EDGE_OUTBOX_MAX_BYTES: '16GiB',
            ...load,
          },
        });
        try {
          await waitForPort(opsPort);
          const { rssMiB, cpuShare, writtenBytesPerHour, acknowledgedPerS } = await measure(running);
          if (link !== acknowledgedPerS > 0) throw new Error(`${acknowledgedPerS} acknowledged a second`);
          const ledger = join(dataDir, 'edge', 'roof-0001.sqlite');
          const perHour = link ? undefined : hourWithoutLink(ledger, Number(load.EDGE_FRAME_BYTES_PER_DAY ?? 0));
          process.stdout.write(
            `${name}, ${link ? 'with' : 'without'} a link: RSS ${rssMiB.toFixed(0)} MiB, ` +
              `${(100 * cpuShare).toFixed(1)} % of a core, ${acknowledgedPerS.toFixed(1)} acknowledged/s, ` +
              `written ${(writtenBytesPerHour / 1e6).toFixed(0)} MB an hour` +
              `${perHour === undefined ? '' : `, an hour takes ${(perHour / 1e6).toFixed(1)} MB of disk`}\n`,
          );
        } finally {
          await running.stop();
        }
      }
    }
  } finally {
    await platform.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
