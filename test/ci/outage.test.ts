import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startProgram, tempFolder, waitUntil } from '../program.ts';
import { assertBalanced, audit, busyEnvironment } from '../survival.ts';

test('a broker that is away for a minute of flight costs nothing', async t => {
  const env = await busyEnvironment(tempFolder(t));
  const ground = ['broker', 'bridge', 'archive'];
  const first = await startProgram(t, ground, env);
  const edge = await startProgram(t, ['edge'], env);
  await wait(2000);
  assert.equal(await first.stop(), 0, first.errors());
  await wait(60_000);
  const second = await startProgram(t, ground, env);
  const waiting = async () => Number((await edge.health('edge'))?.detail?.waiting ?? Number.NaN);
  await waitUntil(async () => (await waiting()) < 500, {
    deadlineMs: 60_000,
    what: () => `the drones have sent what they kept; they wrote:\n${edge.errors()}`,
  });
  assert.equal(await edge.stop(), 0, edge.errors());
  assert.equal(await second.stop(), 0, second.errors());
  assertBalanced(await audit(env));
});

test('a full disk under the log gives no PUBACK and no crash, says so on /health, and goes on when there is room', async t => {
  const dataDir = tempFolder(t);
  const logDir = join(dataDir, 'log');
  mkdirSync(logDir);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', logDir], { stdio: 'pipe' });
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return t.skip('mounting a small file system needs root: run as root to enable');
  }
  try {
    await survivesFullDisk(t, dataDir, logDir);
  } finally {
    execFileSync('umount', ['-l', logDir]);
  }
});

async function survivesFullDisk(t: TestContext, dataDir: string, logDir: string): Promise<void> {
  const env = await busyEnvironment(dataDir);
  const ground = await startProgram(t, ['broker', 'bridge'], env);
  const edge = await startProgram(t, ['edge'], env);
  const acknowledged = async () => Number((await edge.health('edge'))?.detail?.acknowledged ?? 0);
  await waitUntil(async () => (await acknowledged()) > 200, { deadlineMs: 10_000, what: edge.errors });

  const ballast = join(logDir, 'ballast');
  const { bavail, bsize } = statfsSync(logDir);
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 2 * 1024 * 1024)));
  await waitUntil(async () => (await ground.health('bridge'))?.ok === false, {
    deadlineMs: 60_000,
    what: () => `the bridge says that the log does not take records; it wrote:\n${ground.errors()}`,
  });
  const problem = (await ground.health('bridge'))?.problem ?? '';
  assert.match(problem, /log/i);
  t.diagnostic(problem);
  // A stream that still has some room of its own, which was written ahead, may use that up.
  let before = 0;
  const stands = async () => {
    const earlier = await acknowledged();
    await wait(2000);
    before = await acknowledged();
    return before - earlier < 50;
  };
  await waitUntil(stands, { deadlineMs: 30_000, what: () => 'no PUBACK while nothing can be stored' });
  assert.equal((await ground.health('bridge'))?.ok, false);

  rmSync(ballast);
  await waitUntil(async () => (await ground.health('bridge'))?.ok === true && (await acknowledged()) > before + 500, {
    deadlineMs: 60_000,
    what: () => `the flow goes on by itself; the ground wrote:\n${ground.errors()}`,
  });
  assert.equal(await edge.stop(), 0, edge.errors());
  assert.equal(await ground.stop(), 0, ground.errors());
  assertBalanced(await audit(env));
}
