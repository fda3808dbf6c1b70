import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseConfig } from '../../core/config.ts';
import { newUlid } from '../../core/ids.ts';
import { silentLogger } from '../../core/logging.ts';
import type { Command } from '../../core/messages.ts';
import { messageKinds } from '../../core/messages.ts';
import { createMetrics } from '../../core/metrics.ts';
import { encodeTopic } from '../../core/topics.ts';
import { openEventLog } from '../../log/open.ts';
import { startBridge } from '../bridge.ts';

const reserveBytes = 1_000_000;
const diskCheckMs = 2000;
const drone = { fleet: 'nyc', droneId: 'nyc-0007' };

/** A bridge on a real log, on a disk whose free bytes the test sets. */
async function setUp(t: TestContext, freeBytes: number) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const folder = mkdtempSync(join(tmpdir(), 'prestacop-reserve-'));
  const { config } = parseConfig({ DATA_DIR: folder, BROKER_NODE: 'node-1', LOG_RESERVE_BYTES: String(reserveBytes) });
  const log = await openEventLog(config, { logger: silentLogger, role: 'bridge' });
  const disk = { freeBytes };
  const deps = {
    log,
    logger: silentLogger,
    deliver: () => false,
    closeConnection() {},
    closeDrone() {},
    freeBytes: async () => disk.freeBytes,
  };
  const start = () => startBridge(config, { ...deps, metrics: createMetrics() });
  const scene = { bridge: await start() };
  t.after(async () => {
    await scene.bridge.stop();
    await log.close();
    rmSync(folder, { recursive: true });
  });
  const connection = { id: newUlid(), ...drone };
  let frames = 0;
  const publish = (topic: string, payload: Uint8Array, from = connection) =>
    new Promise<string>(resolve =>
      scene.bridge.beforeAck(topic, payload, from, error => resolve(error?.code ?? 'stored')),
    );
  return {
    disk,
    async check(free: number) {
      disk.freeBytes = free;
      t.mock.timers.tick(diskCheckMs);
      await new Promise(setImmediate);
    },
    async restart() {
      await scene.bridge.stop();
      scene.bridge = await start();
    },
    frame(from = connection) {
      const payload = Buffer.from([0xff, 0xd8, 0xff, ++frames]);
      const imageId = createHash('sha256').update(payload).digest('hex');
      return publish(encodeTopic({ ...drone, kind: 'frame', imageId }), payload, from);
    },
    report: (from = connection) => {
      const { example } = messageKinds.find(({ kind }) => kind === 'violation')!;
      return publish(encodeTopic({ ...drone, kind: 'violation' }), Buffer.from(JSON.stringify(example)), from);
    },
    /** A command about the drone's frames, given long ago; an operator's unless said otherwise. */
    async order(frames: boolean, by = 'ada') {
      const { example } = messageKinds.find(({ kind }) => kind === 'command')!;
      const command = { ...example, ...drone, action: 'config', by, config: { frames }, issuedAtMs: 1.7e12 };
      await log.append('command', [{ key: drone.droneId, headers: {}, payload: Buffer.from(JSON.stringify(command)) }]);
    },
    problem: () => scene.bridge.health().problem,
    ends: async () => Number((await log.ends('command'))[0]!.end),
    /** What the drone was told about its frames, in the order of the log. */
    async told(count: number): Promise<(boolean | undefined)[]> {
      const commands: Command[] = [];
      for await (const { records } of log.fetch('command', 0, 0n, { signal: AbortSignal.timeout(5000) })) {
        commands.push(...records.map(({ payload }) => JSON.parse(Buffer.from(payload).toString())));
        if (commands.length >= count) break;
      }
      return commands.map(({ config }) => config?.frames);
    },
  };
}

test('B6: a drone that sends frames to a disk below the reserve is told once to make none, and to go on when there is room', async t => {
  const scene = await setUp(t, reserveBytes);
  assert.equal(await scene.frame(), 'stored');
  await scene.check(reserveBytes - 1);
  assert.deepEqual([await scene.frame(), await scene.frame()], ['stored', 'stored']);
  assert.deepEqual(await scene.told(1), [false]);
  await scene.check(reserveBytes);
  await scene.order(false, 'bridge'); // stands in the log behind whatever that look at the disk gave
  await scene.check(2 * reserveBytes);
  assert.deepEqual(await scene.told(3), [false, false, true], 'not before there is some more room than the reserve');
});

test('B6: the second half of the reserve is not for frames of a drone that was told; reports still find room', async t => {
  const scene = await setUp(t, reserveBytes / 2 - 1);
  await scene.order(false, 'bridge');
  await scene.restart();
  const stubborn = { id: newUlid(), ...drone };
  assert.equal(await scene.frame(stubborn), 'BRIDGE_RESERVED');
  assert.match(scene.problem() ?? '', /LOG_RESERVE_BYTES; 1 frames were refused/);
  assert.equal(await scene.report(stubborn), 'BRIDGE_APPEND_FAILED', 'B2: nothing later of that connection');
  assert.equal(await scene.report(), 'stored');
});

test('B6: a drone that was not told yet may go on for a moment, so that the command reaches it', async t => {
  const scene = await setUp(t, reserveBytes / 2 - 1);
  assert.deepEqual([await scene.frame(), await scene.frame()], ['stored', 'stored']);
  assert.deepEqual(await scene.told(1), [false]);
});

test('B6: a bridge that starts when there is room again tells the drones that the one before switched off', async t => {
  const scene = await setUp(t, reserveBytes - 1);
  await scene.frame();
  assert.deepEqual(await scene.told(1), [false]);
  scene.disk.freeBytes = 2 * reserveBytes;
  await scene.restart();
  assert.deepEqual(await scene.told(2), [false, true]);
});

test('B6: a drone without frames by an operator gets them back from nobody else', async t => {
  const scene = await setUp(t, 2 * reserveBytes);
  await scene.order(false);
  await scene.restart();
  await scene.check(reserveBytes - 1);
  await scene.frame(); // it had waited
  assert.deepEqual(await scene.told(2), [false, false]);
  await scene.restart();
  await scene.check(2 * reserveBytes);
  await scene.order(true);
  assert.deepEqual(await scene.told(3), [false, false, true]);
  assert.equal(await scene.ends(), 3, 'the last one is the operator’s');
});
