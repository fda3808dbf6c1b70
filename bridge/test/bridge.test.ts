import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { parseConfig } from '../../core/config.ts';
import type { DroneConnection } from '../../core/connection.ts';
import { AppError } from '../../core/errors.ts';
import { newUlid } from '../../core/ids.ts';
import { silentLogger } from '../../core/logging.ts';
import { messageKinds } from '../../core/messages.ts';
import { createMetrics } from '../../core/metrics.ts';
import { encodeTopic } from '../../core/topics.ts';
import type { EventLog, StoredRecord } from '../../log/event-log.ts';
import { openEventLog } from '../../log/open.ts';
import { isMark } from '../../log/record.ts';
import { type Bridge, startBridge } from '../bridge.ts';
import { addDrones, revokeDrone } from '../drone-accounts.ts';

const example = (kind: string) => messageKinds.find(entry => entry.kind === kind)!.example!;
const drone = { fleet: 'nyc', droneId: 'nyc-0007' };
const connection = (): DroneConnection => ({ id: newUlid(), ...drone });

interface Scene {
  log: EventLog;
  bridge: Bridge;
  delivered: string[];
  closed: string[];
  /** Whether the broker has the drone's subscription: `deliver` says false before. */
  subscribed: boolean;
  /** While set, every append of these streams fails with it. */
  failing: Map<string, AppError>;
  send(kind: string, message: object, from: DroneConnection): Promise<string>;
}

/** A bridge on a real log in a folder of its own; the broker's side is what these lists hold. */
async function setUp(t: TestContext, before: (log: EventLog) => Promise<void> = async () => {}): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'prestacop-bridge-'));
  const { config } = parseConfig({ DATA_DIR: folder, BROKER_NODE: 'node-1' });
  const log = await openEventLog(config, { logger: silentLogger, role: 'bridge' });
  await before(log);
  const failing = new Map<string, AppError>();
  const scene = { subscribed: false };
  const [delivered, closed]: string[][] = [[], []];
  const bridge = await startBridge(config, {
    logger: silentLogger,
    metrics: createMetrics(),
    log: {
      ...log,
      append: (stream, records, partition) =>
        failing.has(stream) ? Promise.reject(failing.get(stream)) : log.append(stream, records, partition),
    },
    deliver: (droneId, topic, payload) => {
      if (!scene.subscribed) return false;
      delivered!.push(`${droneId} ${topic.split('/').at(-1)} ${JSON.parse(Buffer.from(payload).toString()).action}`);
      return true;
    },
    closeConnection: id => void closed!.push(id),
    closeDrone: droneId => void closed!.push(droneId),
  });
  t.after(async () => {
    failing.clear();
    await bridge.stop();
    await log.close();
    rmSync(folder, { recursive: true });
  });
  const send: Scene['send'] = (kind, message, from) =>
    new Promise(resolve =>
      bridge.beforeAck(encodeTopic({ ...drone, kind }), Buffer.from(JSON.stringify(message)), from, error =>
        resolve(error?.code ?? 'stored'),
      ),
    );
  return Object.assign(scene, { log, bridge, delivered: delivered!, closed: closed!, failing, send });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const endMs = Date.now() + 5000; !condition(); await wait(5)) {
    if (Date.now() > endMs) throw new Error(`Not within 5 s: ${what}`);
  }
}

async function readAll(log: EventLog, stream: string): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const { partition, end } of await log.ends(stream)) {
    const { signal } = new AbortController();
    for await (const batch of log.fetch(stream, partition, 0n, { signal, until: end })) records.push(...batch.records);
  }
  return records;
}

test('a PUBACK means that the message is in the log, stamped, with its bytes as received', async t => {
  const { log, send, bridge } = await setUp(t);
  const from = connection();
  assert.equal(await send('telemetry', example('telemetry'), from), 'stored');
  const [record] = await readAll(log, 'telemetry');
  assert.equal(record!.key, 'nyc-0007');
  assert.equal(Buffer.from(record!.payload).toString(), JSON.stringify(example('telemetry')));
  const { topic, kind, node, connection: id, contentType, receivedAtMs } = record!.headers;
  assert.deepEqual(
    [topic, kind, node, id, contentType],
    ['prestacop/v1/nyc/nyc-0007/telemetry', 'telemetry', 'node-1', from.id, 'application/json'],
  );
  assert.ok(Math.abs(Number(receivedAtMs) - record!.timeMs) < 5000);
  assert.deepEqual(bridge.counts(), { received: 1, accepted: 1, rejected: 0, failed: 0, waiting: 0 });
  assert.equal(bridge.health().detail?.accepted, 1);
});

test('a bad message is acknowledged, and stands in `rejected` with its bytes, topic and reason', async t => {
  const { log, send, bridge } = await setUp(t);
  assert.equal(await send('telemetry', { ...example('telemetry'), lat: 99 }, connection()), 'stored');
  const [record] = await readAll(log, 'rejected');
  assert.equal(record!.headers.reason, 'INVALID');
  assert.equal(record!.headers.seq, '4711');
  assert.match(Buffer.from(record!.payload).toString(), /"lat":99/);
  const { received, accepted, rejected, waiting } = bridge.counts();
  assert.deepEqual({ received, accepted, rejected, waiting }, { received: 1, accepted: 1, rejected: 1, waiting: 0 });
});

test('accounts are folded before the first CONNECT, and a change ends the connection', async t => {
  const credentials = new Map([[drone.droneId, { fleet: 'nyc', password: 'one' }]]);
  const { log, bridge, closed } = await setUp(t, log => addDrones(log, credentials, 0));
  assert.deepEqual(bridge.authenticate('nyc-0007', Buffer.from('one')), { fleet: 'nyc' });
  assert.equal(bridge.authenticate('nyc-0007', Buffer.from('two')), undefined);
  assert.equal(bridge.authenticate('nyc-0008', Buffer.from('one')), undefined);
  await revokeDrone(log, 'nyc-0007', 'nyc', 0);
  await until(() => closed.includes('nyc-0007'), 'the drone is closed');
  assert.equal(bridge.authenticate('nyc-0007', Buffer.from('one')), undefined);
});

test('B8: open commands are sent when the drone subscribes and as they come, until it has answered', async t => {
  const command = (action: string) => {
    const message = { ...example('command'), action, commandId: newUlid(), expiresAtMs: Date.now() + 60_000 };
    return {
      message,
      record: { key: 'nyc-0007', headers: { kind: 'command' }, payload: Buffer.from(JSON.stringify(message)) },
    };
  };
  const [hold, resume] = [command('hold'), command('resume')];
  const scene = await setUp(t, log => log.append('command', [hold.record]));
  const { log, bridge, delivered, send } = scene;
  const from = connection();
  assert.deepEqual(delivered, [], 'nothing before the drone has subscribed');
  scene.subscribed = true;
  bridge.subscribed(from);
  assert.deepEqual(delivered, ['nyc-0007 command hold']);
  await log.append('command', [resume.record]);
  await until(() => delivered.length === 2, 'the second command is sent at once');
  await send('ack', { ...example('ack'), commandId: hold.message.commandId }, from);
  const open = () => (bridge.health().detail as { openCommands: number }).openCommands;
  await until(() => open() === 1, 'the ack has come back through the log');
  bridge.subscribed(from);
  assert.deepEqual(delivered.slice(2), ['nyc-0007 command resume'], 'after a reconnect only what is unanswered');
});

test('B8: a drone that stays connected and does not answer gets its open commands again', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const message = { ...example('command'), commandId: newUlid(), expiresAtMs: Date.now() + 60_000 };
  const scene = await setUp(t);
  scene.subscribed = true;
  await scene.log.append('command', [{ key: 'nyc-0007', headers: {}, payload: Buffer.from(JSON.stringify(message)) }]);
  await until(() => scene.delivered.length === 1, 'the command is sent');
  t.mock.timers.tick(30_000);
  assert.deepEqual(scene.delivered, ['nyc-0007 command hold', 'nyc-0007 command hold']);
});

test('B6: while telemetry or violation cannot be stored no drone may connect, until a probe has been stored', async t => {
  const { log, bridge, failing, send } = await setUp(t);
  assert.equal(bridge.accepting(), true);
  failing.set('telemetry', new AppError('LOG_UNAVAILABLE', 'no space left on device', { retryable: true }));
  const [first, other] = [connection(), connection()];
  assert.equal(await send('telemetry', example('telemetry'), first), 'BRIDGE_APPEND_FAILED');
  assert.equal(bridge.accepting(), false);
  assert.match(bridge.health().problem ?? '', /telemetry.*no space left/);
  assert.equal(
    await send('violation', example('violation'), first),
    'BRIDGE_APPEND_FAILED',
    'B2: nothing later of that connection',
  );
  assert.equal(await send('violation', example('violation'), other), 'stored', 'other connections and streams go on');
  failing.clear();
  await until(() => bridge.accepting(), 'the probe has been stored');
  assert.equal(bridge.health().ok, true);
  const records = await readAll(log, 'telemetry');
  assert.deepEqual(
    records.map(record => [isMark(record), record.headers.mark]),
    [[true, 'bridge']],
  );
});

test('B7: a state from a newer connection of the same drone ends the older one', async t => {
  const { bridge, closed, send } = await setUp(t);
  const older = connection();
  const newer: DroneConnection = { ...drone, id: newUlid(Date.now() + 1000) };
  await send('state', example('state'), older);
  await until(() => bridge.online() === 1, 'online');
  await send('state', example('state'), newer);
  await until(() => closed.includes(older.id), 'the older connection is closed');
  await send('state', { ...example('state'), status: 'offline' }, older);
  await send('state', { ...example('state'), status: 'offline' }, newer);
  await until(() => bridge.online() === 0, 'offline counts for the newest connection');
});

test('a stop lets what is in flight out first', async t => {
  const { log, bridge, send } = await setUp(t);
  const from = connection();
  const answers: string[] = [];
  for (let count = 0; count < 50; count++) {
    send('telemetry', example('telemetry'), from).then(answer => answers.push(answer));
  }
  await bridge.stop();
  assert.deepEqual(answers, Array(50).fill('stored'));
  assert.equal((await readAll(log, 'telemetry')).length, 50);
});
