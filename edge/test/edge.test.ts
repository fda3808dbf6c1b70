import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { Check } from 'typebox/value';
import { parseConfig } from '../../core/config.ts';
import { hasCode } from '../../core/errors.ts';
import { newUlid } from '../../core/ids.ts';
import { readLedgers } from '../../core/ledger.ts';
import { createLogger } from '../../core/logging.ts';
import { messageKinds } from '../../core/messages.ts';
import { createMetrics } from '../../core/metrics.ts';
import { droneIds, type Edge, startEdge } from '../edge.ts';
import { type Received, startBroker } from './broker.ts';
import { command, fast, fly } from './fly.ts';
import { assertPicturesWhole, fleetPath, pictureCounts, pictureRows } from './pictures.ts';
import { eventually, temporaryFolder } from './world.ts';

const numbered = (received: readonly Received[], droneId: string, kind: string) =>
  received.filter(message => message.droneId === droneId && message.kind === kind).map(({ body }) => body.seq);

/** Every number from 1 to the highest is there, and each comes for the first time in order. */
function assertComplete(received: readonly Received[], atLeast: number): void {
  for (const droneId of ['nyc-0001', 'nyc-0002']) {
    for (const kind of ['telemetry', 'violation']) {
      const first = [...new Set(numbered(received, droneId, kind))];
      assert.deepEqual(
        first,
        Array.from({ length: first.length }, (_, index) => index + 1),
        `${droneId} ${kind}`,
      );
      assert.ok(first.length >= atLeast, `${first.length} ${kind} of ${droneId}`);
    }
  }
}

/** D4: every violation names a picture, and each had come before. */
function assertPicturesFirst(received: readonly Received[]): void {
  const seen = new Set<string | undefined>();
  for (const { kind, imageId, body } of received) {
    if (kind === 'image') seen.add(imageId);
    if (kind !== 'violation') continue;
    const images = body.images as string[];
    assert.ok(images.length > 0 && images.every(id => seen.has(id)), `${body.seq} of ${body.droneId}`);
  }
}

function assertBalanced(dataDir: string, edge: Edge): void {
  const { made, acknowledged, waiting, lost } = edge.counts();
  assert.deepEqual([made, lost], [acknowledged + waiting, 0]);
  const ledgers = readLedgers(dataDir);
  const pictures = pictureCounts(fleetPath(dataDir));
  assert.equal(
    [...ledgers, ...pictures].reduce((sum, ledger) => sum + ledger.made, 0),
    made,
  );
  for (const count of pictures) assert.equal(count.acknowledged + count.waiting, count.made);
  assertPicturesWhole(fleetPath(dataDir));
  for (const ledger of ledgers) assert.equal(ledger.acknowledged.count + ledger.waiting.count, ledger.made);
}

test('a fleet says what it sees: valid messages, no gap, state retained; stopped in flight it has everything acknowledged', async t => {
  const broker = await startBroker(t);
  const { edge, dataDir, lines, metrics } = await fly(t, broker);
  await eventually('20 messages a drone', () => edge.counts().acknowledged > 80, edge.counts);
  assert.equal(edge.health().ok, true);
  await edge.stop();
  assert.equal(await edge.closed, undefined);

  assertComplete(broker.received, 2);
  for (const { kind, body, imageId, payload } of broker.received) {
    if (imageId !== undefined) assert.equal(hash('sha256', payload!), imageId);
    else assert.ok(Check(messageKinds.find(entry => entry.kind === kind)!.schema!, body), JSON.stringify(body));
  }
  assertPicturesFirst(broker.received);
  assertBalanced(dataDir, edge);
  assert.equal(edge.counts().waiting, 0);
  const states = broker.received.filter(({ kind, droneId }) => kind === 'state' && droneId === 'nyc-0001');
  assert.deepEqual(
    states.map(({ body }) => body.status),
    ['online', 'offline'],
  );
  assert.ok(states.every(({ retain }) => retain));
  const { telemetry } = states.at(-1)!.body.kinds as Record<string, { made: number; lowestUnacknowledged?: number }>;
  assert.equal(telemetry!.made, Math.max(...numbered(broker.received, 'nyc-0001', 'telemetry')));
  assert.equal(telemetry!.lowestUnacknowledged, undefined);
  assert.match((await metrics.expose()).body, /prestacop_edge_messages_made_total \d\d/);
  assert.equal(lines.length, 2);
});

test('a broker that stops and comes back gets everything, from the first number it had not acknowledged', async t => {
  const broker = await startBroker(t);
  const { edge, dataDir } = await fly(t, broker);
  await eventually('a beginning', () => edge.counts().acknowledged > 20, edge.counts);
  await broker.stop();
  await eventually('a backlog', () => edge.counts().online === 0 && edge.counts().waiting > 60, edge.counts);
  assert.match(edge.health().problem ?? '', /no drone reaches the broker/);
  await broker.start();
  const upToDate = () => edge.counts().online === 2 && edge.counts().waiting < 10;
  await eventually('the backlog is gone', upToDate, edge.counts, 15_000);
  await edge.stop();
  assertComplete(broker.received, 2);
  assertBalanced(dataDir, edge);
});

test('a refused CONNECT is tried again, and a wrong password leaves everything in the outbox', async t => {
  const broker = await startBroker(t);
  broker.refuseWith = 3;
  const { edge, dataDir, lines } = await fly(t, broker);
  await eventually('a backlog', () => edge.counts().made > 20, edge.counts);
  assert.deepEqual([broker.connects, edge.counts().online], [0, 0]);
  broker.refuseWith = 0;
  await eventually('welcome', () => edge.counts().online === 2 && edge.counts().acknowledged > 20, edge.counts);
  broker.refuseWith = 4;
  broker.cutAll();
  await eventually('out again', () => edge.counts().online === 0 && edge.counts().waiting > 10, edge.counts);
  const warnings = () => lines.filter(line => line.includes('check its password')).length;
  await eventually('each drone says so', () => warnings() === 2, warnings);
  await edge.stop();
  assertBalanced(dataDir, edge);
  assert.ok(edge.counts().waiting > 10);
});

test('without PUBACKs no more than the window is sent; after a cut the same messages come again first, by one connection', async t => {
  const broker = await startBroker(t);
  broker.withhold = true;
  const { edge, dataDir } = await fly(t, broker, { EDGE_INFLIGHT_MAX: '7' });
  const ofOne = () => broker.received.filter(({ kind, droneId }) => kind !== 'state' && droneId === 'nyc-0001');
  // Aedes stops reading behind the first PUBLISH it holds, so it sees the window or less.
  await eventually('a window', () => ofOne().length > 0 && edge.counts().made > 40, edge.counts);
  assert.ok(ofOne().length <= 7, `${ofOne().length} in flight`);
  assert.equal(edge.counts().acknowledged, 0);
  const at = broker.received.length;
  broker.cutAll();
  const again = () => ofOne().filter(message => broker.received.indexOf(message) >= at);
  await eventually('the window again', () => again().length > 0, again);
  const [first] = again();
  const oldest = pictureRows(fleetPath(dataDir)).find(({ droneId }) => droneId === 'nyc-0001');
  assert.deepEqual([first!.kind, first!.imageId], ['image', oldest!.imageId]);
  broker.withhold = false;
  broker.cutAll();
  const upToDate = () => edge.counts().online === 2 && edge.counts().waiting < 10;
  await eventually('all acknowledged', upToDate, edge.counts, 15_000);
  await edge.stop();
  assertComplete(broker.received, 2);
});

test('a restarted edge sends what is left of the run before, under the same numbers', async t => {
  const broker = await startBroker(t);
  broker.withhold = true;
  const first = await fly(t, broker);
  await eventually('a backlog', () => first.edge.counts().made > 40, first.edge.counts);
  // Nobody to wait for: a stop with a connection waits a while for PUBACKs.
  broker.refuseWith = 3;
  broker.cutAll();
  await eventually('offline', () => first.edge.counts().online === 0, first.edge.counts);
  await first.edge.stop();
  assert.equal(first.edge.counts().acknowledged, 0);
  broker.withhold = false;
  broker.refuseWith = 0;
  const second = await fly(t, broker, {}, first.dataDir);
  await eventually('all of both', () => second.edge.counts().acknowledged > 80, second.edge.counts);
  await second.edge.stop();
  const epochs = new Set(broker.received.map(({ droneId, body }) => body.epoch && `${droneId} ${body.epoch}`));
  epochs.delete(undefined as never);
  assert.equal(epochs.size, 2);
  assertComplete(broker.received, 2);
  assertBalanced(first.dataDir, second.edge);
});

test('a violation that finds no room makes its drone hold, say so once, and go on when there is room', async t => {
  const broker = await startBroker(t);
  broker.refuseWith = 3;
  const { edge, lines, metrics } = await fly(t, broker, {
    EDGE_OUTBOX_MAX_BYTES: '256KiB',
    EDGE_TELEMETRY_INTERVAL_MS: '20',
    EDGE_VIOLATIONS_PER_HOUR: '40000',
  });
  await eventually('both hold', () => edge.counts().held === 2, edge.counts);
  assert.match(
    edge.health().problem ?? '',
    /^2 of 2 drones hold, .*EDGE_OUTBOX_MAX_BYTES.*; no drone reaches the broker/,
  );
  assert.ok(edge.counts().refused > 0);
  assert.match((await metrics.expose()).body, /prestacop_edge_messages_refused_total\{kind="violation"\} [1-9]/);
  broker.refuseWith = 0;
  const sent = (droneId: string) => numbered(broker.received, droneId, 'telemetry').length;
  const goOn = () => edge.counts().held === 0 && sent('nyc-0001') > 5 && sent('nyc-0002') > 5;
  await eventually('they go on', goOn, edge.counts);
  await edge.stop();
  assert.ok(lines.some(line => line.includes('drones hold')) && lines.some(line => line.includes('drones go on')));
  const modes = broker.received.filter(({ kind }) => kind === 'telemetry').map(({ body }) => body.mode);
  assert.ok(modes.includes('patrol'));
  assertComplete(broker.received, 2);
});

test('a disk below its reserve keeps the fleet on the ground', async t => {
  const broker = await startBroker(t);
  const { edge, lines } = await fly(t, broker, { EDGE_DISK_RESERVE_BYTES: '1000000GiB' });
  await eventually('connected', () => edge.counts().online === 2, edge.counts);
  assert.deepEqual([edge.counts().held, edge.counts().made, edge.health().ok], [2, 0, false]);
  assert.equal(edge.health().problem, '2 of 2 drones hold, the disk is below EDGE_DISK_RESERVE_BYTES');
  assert.ok(lines.some(line => line.includes('the disk is below EDGE_DISK_RESERVE_BYTES')));
});

test('D7: a command is done once and answered as often as it comes; a late one has expired, a broken one is ignored', async t => {
  const broker = await startBroker(t);
  const { edge, metrics } = await fly(t, broker, { EDGE_DRONES: '1' });
  const droneId = 'nyc-0001';
  await eventually('a violation', () => numbered(broker.received, droneId, 'violation').length > 0, edge.counts);
  const reported = broker.received.find(({ kind }) => kind === 'violation')!.body;
  const caseId = `${droneId}:${reported.epoch}:${reported.seq}`;
  const acks = (id: string) => broker.received.filter(({ kind, body }) => kind === 'ack' && body.commandId === id);
  const answered = async (what: { commandId: string }, times: number) => {
    await eventually(
      `${times} acks`,
      () => acks(what.commandId).length >= times,
      () => broker.received.slice(-3),
    );
    return acks(what.commandId).map(({ body }) => [body.outcome, body.note]);
  };

  const again = command(droneId, 'photograph-again', { case: caseId });
  broker.command(droneId, again);
  broker.command(droneId, again);
  assert.deepEqual(await answered(again, 1), [['done', undefined]]);
  broker.command(droneId, again);
  assert.deepEqual(await answered(again, 2), [
    ['done', undefined],
    ['done', undefined],
  ]);
  const answers = broker.received.filter(({ body }) => body.answers !== undefined);
  assert.deepEqual(
    answers.map(({ body }) => body.answers),
    [{ command: again.commandId, case: caseId }],
  );
  assert.deepEqual([answers[0]!.body.make, answers[0]!.body.colour].filter(Boolean).length > 0, true);
  const pictures = [reported, answers[0]!.body].map(({ images }) => (images as string[])[0]);
  assert.equal(new Set(pictures).size, 2);
  assertPicturesFirst(broker.received);

  const nothing = command(droneId, 'config');
  const unknown = command(droneId, 'photograph-again', { case: `${droneId}:${newUlid()}:1` });
  const late = command(droneId, 'hold', { expiresAtMs: Date.now() - 1000 });
  for (const what of ['{', { ...late, v: 2 }, { ...late, droneId: 'nyc-0002' }, nothing, unknown, late]) {
    broker.command(droneId, what);
  }
  assert.equal((await answered(nothing, 1))[0]![0], 'refused');
  assert.equal((await answered(unknown, 1))[0]![0], 'refused');
  assert.deepEqual(await answered(late, 1), [['expired', undefined]]);
  assert.match((await metrics.expose()).body, /commands_malformed_total 3/);

  const slower = command(droneId, 'config', { config: { violationsPerHour: 0 } });
  const hold = command(droneId, 'hold');
  broker.command(droneId, slower);
  broker.command(droneId, hold);
  assert.deepEqual(
    [await answered(slower, 1), await answered(hold, 1)],
    [[['done', undefined]], [['done', undefined]]],
  );
  const lastMode = () => broker.received.findLast(({ kind }) => kind === 'telemetry')?.body.mode;
  await eventually('it holds', () => lastMode() === 'hold', lastMode);
});

test('an order to hold and a set rate outlive a restart', async t => {
  const broker = await startBroker(t);
  const one = { EDGE_DRONES: '1', EDGE_VIOLATIONS_PER_HOUR: '0' };
  const first = await fly(t, broker, one);
  await eventually('connected', () => first.edge.counts().acknowledged > 0, first.edge.counts);
  broker.command('nyc-0001', command('nyc-0001', 'hold'));
  await eventually(
    'an ack',
    () => broker.received.some(({ kind }) => kind === 'ack'),
    () => broker.received.at(-1),
  );
  await first.edge.stop();
  const before = broker.received.length;
  const second = await fly(t, broker, one, first.dataDir);
  const later = () => broker.received.slice(before).filter(({ kind }) => kind === 'telemetry');
  await eventually('telemetry', () => later().length > 3, later);
  assert.ok(later().every(({ body }) => body.mode === 'hold'));
  await second.edge.stop();
});

test('a drone without a password is named before anything is opened; one device has its own file', async t => {
  const dataDir = temporaryFolder(t);
  const { config } = parseConfig({
    ...fast,
    DATA_DIR: dataDir,
    EDGE_DRONES: '1',
    EDGE_DRONE_ID: 'roof-7',
    MQTT_URL: 'mqtt://127.0.0.1:1',
  });
  const deps = { logger: createLogger('silent'), metrics: createMetrics(), mqttUrl: 'mqtt://127.0.0.1:1' };
  await assert.rejects(startEdge(config, { ...deps, credentials: new Map() }), (error: unknown) =>
    hasCode(error, 'EDGE_NO_PASSWORD'),
  );
  assert.deepEqual(readLedgers(dataDir), []);
  const edge = await startEdge(config, {
    ...deps,
    credentials: new Map([['roof-7', { fleet: 'nyc', password: 'x' }]]),
  });
  await eventually('a message', () => edge.counts().made > 0, edge.counts);
  await edge.stop();
  assert.deepEqual([...new Set(readLedgers(dataDir).map(({ droneId }) => droneId))], ['roof-7']);
  assert.deepEqual(droneIds({ EDGE_DRONES: 2, EDGE_FLEET: 'nyc', EDGE_DRONE_ID: 'roof-7' }), ['nyc-0001', 'nyc-0002']);
});
