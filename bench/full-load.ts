import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { cpuSecondsOf, machine, prestacop, type Running, runJson, start, waitForPort } from './process.ts';

/**
 * The brief's load: 25 drones of 100 GB a day each, in a process of their own, against broker, bridge, log and archive in
 * another, on this machine's cores; then the audit of every picture. `--seconds 300 --drones 25`; with `--most` it goes on
 * with more drones, a minute each, until the backlog grows.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    drones: { type: 'string', default: '25' },
    most: { type: 'boolean', default: false },
  },
});
const frameBytes = 100_000;
const frameBytesPerDay = 100_000_000_000;
const sampleMs = 5000;
/** The first part of a run is not judged: connections come up, caches fill. */
const settleShare = 0.2;
const port = 18_832;
const opsPort = { platform: 18_833, edge: 18_834 };

interface Sample {
  atS: number;
  waitingBytes: number;
  lagFrames: number;
  rssMiB: { platform: number; edge: number };
}

interface Outcome {
  drones: number;
  samples: Sample[];
  cpuShare: { platform: number; edge: number };
  acknowledgedFrames: number;
  seconds: number;
}

async function healthOf(opsPortOfIt: number, stage: string): Promise<Record<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${opsPortOfIt}/health/${stage}`);
  return ((await answer.json()) as { detail: Record<string, number> }).detail;
}

/** Frames that no pack holds; what else is not archived waits for its ten minutes. */
async function framesBehind(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${opsPort.platform}/metrics`)).text();
  return Number(/^prestacop_archive_lag_records{stream="frame"} (\d+)/m.exec(text)![1]);
}

async function fly(folder: string, drones: number, seconds: number): Promise<Outcome> {
  const shared = { DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn', BROKER_PORT: String(port) };
  const credentials = join(folder, `drones-${drones}.jsonl`);
  const fleet = `load${drones}`;
  const platform = start(prestacop('start', 'broker', 'bridge', 'archive'), {
    env: { ...shared, OPS_PORT: String(opsPort.platform) },
  });
  let edge: Running | undefined;
  try {
    await waitForPort(port);
    const add = ['add', '--count', String(drones), '--fleet', fleet, '--out', credentials, '--json'];
    await runJson(prestacop('drone', ...add), shared);
    edge = start(prestacop('start', 'edge'), {
      env: {
        ...shared,
        OPS_PORT: String(opsPort.edge),
        MQTT_URL: `mqtt://127.0.0.1:${port}`,
        EDGE_CREDENTIALS_FILE: credentials,
        EDGE_FLEET: fleet,
        EDGE_DRONES: String(drones),
        EDGE_FRAME_BYTES: String(frameBytes),
        EDGE_FRAME_BYTES_PER_DAY: String(frameBytesPerDay),
        EDGE_UNQUALIFIED_PCT: '100',
        EDGE_OUTBOX_MAX_BYTES: '8GiB',
      },
    });
    await waitForPort(opsPort.edge);
    const running = { platform, edge };
    const cpu = () => ({ platform: cpuSecondsOf(platform.child.pid!), edge: cpuSecondsOf(running.edge.child.pid!) });
    const settleS = seconds * settleShare;
    const samples: Sample[] = [];
    const beginMs = performance.now();
    let [cpuBefore, framesBefore, judgedFromMs] = [cpu(), 0, 0];
    for (;;) {
      await wait(sampleMs);
      const atS = (performance.now() - beginMs) / 1000;
      const { waitingBytes, acknowledged } = await healthOf(opsPort.edge, 'edge');
      const lagFrames = await framesBehind();
      if (judgedFromMs === 0 && atS >= settleS) {
        [cpuBefore, framesBefore, judgedFromMs] = [cpu(), acknowledged!, performance.now()];
      }
      const rssMiB = { platform: platform.rssMiB(), edge: edge.rssMiB() };
      if (judgedFromMs > 0) samples.push({ atS, waitingBytes: waitingBytes!, lagFrames, rssMiB });
      process.stderr.write(
        `${atS.toFixed(0)} s: ${(waitingBytes! / 1e6).toFixed(1)} MB at the drones, ${lagFrames} frames not archived\n`,
      );
      if (atS < seconds) continue;
      const judgedS = (performance.now() - judgedFromMs) / 1000;
      const used = cpu();
      return {
        drones,
        samples,
        cpuShare: {
          platform: (used.platform - cpuBefore.platform) / judgedS,
          edge: (used.edge - cpuBefore.edge) / judgedS,
        },
        acknowledgedFrames: acknowledged! - framesBefore,
        seconds: judgedS,
      };
    }
  } finally {
    await edge?.stop();
    await platform.stop();
  }
}

/** Growth a second by least squares over the judged samples. */
function slope(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const mean = (of: (sample: Sample) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [meanS, meanValue] = [mean(({ atS }) => atS), mean(value)];
  const over = samples.reduce((sum, sample) => sum + (sample.atS - meanS) * (value(sample) - meanValue), 0);
  return over / samples.reduce((sum, { atS }) => sum + (atS - meanS) ** 2, 0);
}

/** A backlog that grows by more than 1 % of what is made will not be worked off. */
function keepsUp({ drones, samples }: Outcome): boolean {
  const bytesPerS = (drones * frameBytesPerDay) / 86_400;
  const framesPerS = bytesPerS / frameBytes;
  return (
    slope(samples, ({ waitingBytes }) => waitingBytes) < 0.01 * bytesPerS &&
    slope(samples, ({ lagFrames }) => lagFrames) < 0.01 * framesPerS
  );
}

/**
 * From seeing an unqualified violation to its log time, in ms: p50, p95 and the greatest, from the archive alone. A drone's
 * clock is wrong by up to 1.5 s; by how much is read from the telemetry that came fastest.
 */
async function violationDelaysMs(folder: string): Promise<{ p50: number; p95: number; max: number; count: number }> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const of = (stream: string) => `read_parquet('${folder}/data/archive/${stream}/*/*.parquet')`;
  const reader = await connection.runAndReadAll(`
    with skew as (
      select drone_id, min(epoch_ms(received_at) - observed_at_ms) as ms from ${of('telemetry')} where not redelivery group by 1
    ), delay as (
      select epoch_ms(v.received_at) - v.observed_at_ms - s.ms as ms from ${of('violation')} v join skew s using (drone_id)
      where not v.redelivery and v.reason is not null and len(v.images) > 0
    )
    select quantile_cont(ms, 0.5)::double, quantile_cont(ms, 0.95)::double, max(ms)::double, count(*)::double from delay`);
  const [p50, p95, max, count] = reader.getRowsJS()[0] as number[];
  return { p50: p50!, p95: p95!, max: max!, count: count! };
}

function describe(outcome: Outcome): string {
  const { drones, samples, cpuShare, acknowledgedFrames, seconds } = outcome;
  const most = (value: (sample: Sample) => number) => Math.max(...samples.map(value));
  return [
    `${drones} drones: ${(acknowledgedFrames / seconds).toFixed(0)} messages/s acknowledged, ${keepsUp(outcome) ? 'keeps up' : 'falls behind'}`,
    `  at the drones ${(most(s => s.waitingBytes) / 1e6).toFixed(1)} MB at most, slope ${(slope(samples, s => s.waitingBytes) / 1e3).toFixed(1)} kB/s`,
    `  not archived ${most(s => s.lagFrames)} frames at most, slope ${slope(samples, s => s.lagFrames).toFixed(2)}/s`,
    `  CPU cores: platform ${cpuShare.platform.toFixed(2)}, drones ${cpuShare.edge.toFixed(2)}`,
    `  RSS: platform ${most(s => s.rssMiB.platform).toFixed(0)} MiB, drones ${most(s => s.rssMiB.edge).toFixed(0)} MiB`,
    '',
  ].join('\n');
}

const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));
try {
  process.stdout.write(`${machine()}\n`);
  let drones = Number(values.drones);
  let outcome = await fly(folder, drones, Number(values.seconds));
  process.stdout.write(describe(outcome));
  const { p50, p95, max, count } = await violationDelaysMs(folder);
  process.stdout.write(
    `seen to log, ${count} unqualified violations with picture: p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms, most ${max.toFixed(0)} ms, bar 1000\n`,
  );
  const audit = await runJson<{ ok: boolean; pictures: { kinds: Record<string, unknown> } }>(
    prestacop('audit', '--sample', 'all', '--json'),
    {
      DATA_DIR: join(folder, 'data'),
    },
  );
  process.stdout.write(
    `audit of every picture: ${audit.ok ? 'balanced' : 'NOT BALANCED'}, ${JSON.stringify(audit.pictures.kinds)}\n`,
  );
  if (!audit.ok) process.exitCode = 1;
  while (values.most && keepsUp(outcome)) {
    rmSync(join(folder, 'data'), { recursive: true });
    drones = Math.ceil(drones * 1.25);
    outcome = await fly(folder, drones, 60);
    process.stdout.write(describe(outcome));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
