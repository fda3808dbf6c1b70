import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openThinLink } from '../edge/test/thin-link.ts';
import { freePort, runProgram, startProgram, tempFolder, waitUntil } from './program.ts';
import { assertBalanced, audit } from './survival.ts';

/**
 * Everything long or random, bounded and seeded; its figures stand in docs/reliability.md.
 * `npm run soak` takes about half an hour; `-- --moments N --seed N --minutes N` changes that.
 */
const { values } = parseArgs({
  options: {
    moments: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '10' },
  },
});

const rssMaxMiB = 250;
/** What a slope may be by chance over ten minutes. */
const slopeMaxMiB = 1;
const thinBitsPerSecond = 64_000;

const cleanUps: (() => unknown)[] = [];
const scope = { after: (cleanUp: () => unknown) => void cleanUps.push(cleanUp) };
process.stdout.write(`seed ${values.seed}\n`);
try {
  await largestPictureThroughThinLink();
  await memoryOverTime(Number(values.minutes));
  const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', 'test/ci/kill.test.ts'], {
    env: { ...process.env, KILL_MOMENTS: values.moments, KILL_SEED: values.seed },
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}

/** The whole embedded run with its defaults: RSS every second, its slope after the first quarter, then the audit. */
async function memoryOverTime(minutes: number): Promise<void> {
  const env = { DATA_DIR: tempFolder(scope), BROKER_PORT: String(await freePort()), EDGE_DISK_RESERVE_BYTES: '0' };
  const program = await startProgram(scope, [], env);
  const rssMiB: number[] = [];
  for (const endMs = Date.now() + minutes * 60_000; Date.now() < endMs; await wait(1000)) {
    const status = readFileSync(`/proc/${program.child.pid}/status`, 'utf8');
    rssMiB.push(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
  }
  const settled = rssMiB.slice(Math.floor(rssMiB.length / 4));
  const [highest, perMinute] = [Math.max(...rssMiB), slope(settled) * 60];
  process.stdout.write(
    `RSS with 20 drones over ${minutes} minutes: highest ${highest.toFixed(0)} MiB, last ${rssMiB.at(-1)!.toFixed(0)} MiB, ` +
      `slope after the first quarter ${perMinute.toFixed(2)} MiB a minute (bar: ${rssMaxMiB} MiB, no upward slope)\n`,
  );
  if (highest > rssMaxMiB || (minutes >= 10 && perMinute > slopeMaxMiB)) throw new Error('memory is above its bar');
  const code = await program.stop();
  if (code !== 0) throw new Error(`the run did not stop cleanly (${code}):\n${program.errors()}`);
  const result = await audit(env);
  assertBalanced(result);
  process.stdout.write(`audit: ${JSON.stringify(result.total)}\n`);
}

/** D6, B4: a picture of 1 MiB takes 131 s through 64 kbit/s, by one connection, while telemetry goes on being made. */
async function largestPictureThroughThinLink(): Promise<void> {
  const dataDir = tempFolder(scope);
  const broker = { DATA_DIR: dataDir, BROKER_PORT: String(await freePort()), LOG_LEVEL: 'warn' };
  const platform = await startProgram(scope, ['broker', 'bridge', 'archive'], broker);
  const link = await openThinLink(`mqtt://127.0.0.1:${broker.BROKER_PORT}`, thinBitsPerSecond);
  scope.after(() => link.close());
  const credentials = `${dataDir}/drones.jsonl`;
  await runProgram(['drone', 'add', '--count', '1', '--fleet', 'thin', '--out', credentials], broker);
  const edge = await startProgram(scope, ['edge'], {
    ...broker,
    MQTT_URL: link.url,
    EDGE_CREDENTIALS_FILE: credentials,
    EDGE_DRONES: '1',
    EDGE_FLEET: 'thin',
    EDGE_DISK_RESERVE_BYTES: '0',
    EDGE_TELEMETRY_INTERVAL_MS: '10000',
    EDGE_VIOLATIONS_PER_HOUR: '0',
    EDGE_FRAME_BYTES: '1MiB',
    EDGE_FRAME_BYTES_PER_DAY: String(1024 * 1024 * 144),
  });
  let waiting: unknown;
  const waitingBytes = async () => {
    waiting = (await edge.health('edge'))?.detail?.waitingBytes ?? waiting;
    return Number(waiting);
  };
  const what = () => `${waiting} bytes wait`;
  await waitUntil(async () => (await waitingBytes()) > 900_000, { deadlineMs: 30_000, what });
  const beganMs = Date.now();
  await waitUntil(async () => (await waitingBytes()) < 100_000, { deadlineMs: 200_000, what });
  const seconds = (Date.now() - beganMs) / 1000;
  process.stdout.write(`a frame of 1 MiB through ${thinBitsPerSecond / 1000} kbit/s: ${seconds.toFixed(0)} s\n`);
  if ((await edge.stop()) !== 0) throw new Error(edge.errors());
  await platform.stop();
  const result = await audit(broker);
  assertBalanced(result);
}

/** Least squares, per step. */
function slope(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = (values.length - 1) / 2;
  let [above, below] = [0, 0];
  values.forEach((value, index) => {
    above += (index - middle) * (value - mean);
    below += (index - middle) ** 2;
  });
  return below === 0 ? 0 : above / below;
}
