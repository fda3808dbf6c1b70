import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort, startProgram, tempFolder } from './program.ts';
import { assertBalanced, audit } from './survival.ts';

/**
 * Everything long or random, bounded and seeded; its figures stand in docs/reliability.md.
 * `npm run soak` takes about 25 minutes; `-- --moments N --seed N --minutes N` changes that.
 */
const { values } = parseArgs({
  options: {
    moments: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '10' },
  },
});

const cleanUps: (() => unknown)[] = [];
const scope = { after: (cleanUp: () => unknown) => void cleanUps.push(cleanUp) };
process.stdout.write(`seed ${values.seed}\n`);
try {
  await memoryOverTime(Number(values.minutes));
  const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', 'test/ci/kill.test.ts'], {
    env: { ...process.env, KILL_MOMENTS: values.moments, KILL_SEED: values.seed },
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}

const rssMaxMiB = 250;
/** What a slope may be by chance over ten minutes. */
const slopeMaxMiB = 1;

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
