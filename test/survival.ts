import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort, type Program, runProgram, startProgram } from './program.ts';

/** What `npm run audit -- --json` says, as far as the tests ask. */
export interface AuditDocument {
  ok: boolean;
  total: Record<
    | 'made'
    | 'acknowledged'
    | 'inLog'
    | 'archived'
    | 'redelivered'
    | 'rejected'
    | 'inFlight'
    | 'missing'
    | 'lostAtDrone',
    number
  >;
  gaps: { droneId: string; epoch: string; kind: string; from: number; to: number }[];
  unjudged: { droneId: string; epoch: string; kind: string; seen: number }[];
  unreadable: unknown[];
  pictures: { kinds: Record<string, Record<'named' | 'archived' | 'missing' | 'damaged' | 'checked', number>> };
  judgedByState: string[];
}

/** A busy small fleet, runs and segments small enough that a short test crosses many of them. */
export async function busyEnvironment(dataDir: string): Promise<Record<string, string>> {
  return {
    DATA_DIR: dataDir,
    BROKER_PORT: String(await freePort()),
    EDGE_DRONES: '20',
    EDGE_TELEMETRY_INTERVAL_MS: '40',
    EDGE_VIOLATIONS_PER_HOUR: '1500',
    EDGE_IMAGE_WIDTH_PX: '320',
    EDGE_FRAME_BYTES: '20000',
    EDGE_FRAME_BYTES_PER_DAY: '2000000000',
    EDGE_DISK_RESERVE_BYTES: '0',
    LOG_SEGMENT_BYTES: '1MiB',
    ARCHIVE_RUN_WINDOW_SECONDS: '2',
    ARCHIVE_RUN_MAX_RECORDS: '2000',
  };
}

/** Runs the audit, which hashes every picture, and gives its document; fails with what it wrote when that is not JSON. */
export async function audit(env: Record<string, string>): Promise<AuditDocument & { code: number | null }> {
  const { code, stdout, stderr } = await runProgram(['audit', '--sample', 'all', '--json'], env);
  try {
    return { ...(JSON.parse(stdout) as AuditDocument), code };
  } catch {
    throw new Error(`audit ended with ${code} and no JSON:\n${stdout}\n${stderr}`);
  }
}

export function assertBalanced(result: Awaited<ReturnType<typeof audit>>): void {
  assert.deepEqual(result.gaps, []);
  assert.deepEqual([result.code, result.ok, result.total.missing, result.total.lostAtDrone], [0, true, 0, 0]);
  assert.ok(result.total.acknowledged > 0, 'nothing was acknowledged at all');
}

/** Numbers from 0 to 1, the same for the same seed (Park and Miller's minimal standard generator). */
export function seeded(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/**
 * kill -9 at `moments` random moments of processes that run `groups` of stages (one group: the whole run; several: one of
 * them each time), restart after each, then a clean stop. A command goes out before the first and one after the last, so
 * that there are acks too. Leaves the folder for the audit.
 */
export async function killAtRandom(
  t: Pick<TestContext, 'after' | 'diagnostic'>,
  groups: readonly (readonly string[])[],
  env: Record<string, string>,
  { moments, seed, victim }: { moments: number; seed: number; victim: (moment: number) => number },
): Promise<void> {
  const random = seeded(seed);
  const running: Program[] = [];
  for (const stages of groups) running.push(await startProgram(t, stages, env));
  const command = async (action: string, waitS: number) => {
    const args = ['command', 'nyc-0001', action, '--wait-s', String(waitS)];
    const { code, stdout, stderr } = await runProgram(args, env);
    assert.equal(code, 0, `${action}: ${stdout}${stderr}`);
  };
  await command('hold', 0);
  for (let moment = 0; moment < moments; moment++) {
    const aliveMs = Math.round(100 + random() * 2500);
    await wait(aliveMs); // the moment of death is the subject here
    const index = victim(moment);
    await running[index]!.kill9();
    t.diagnostic(`kill ${moment + 1}: ${groups[index]!.join(' ') || 'everything'} after ${aliveMs} ms`);
    running[index] = await startProgram(t, groups[index]!, env);
  }
  await command('resume', 60);
  await wait(1000);
  for (const [index, program] of [...running].entries()) {
    assert.equal(await program.stop(), 0, `${groups[index]!.join(' ')} did not stop cleanly:\n${program.errors()}`);
  }
}
