import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../core/logging.ts';
import { createConnection } from '../connection.ts';
import { openOutbox } from '../outbox.ts';
import type { DurablePicture } from '../outbox-entry.ts';
import { startBroker } from './broker.ts';
import { durable } from './pictures.ts';
import { openThinLink } from './thin-link.ts';
import { eventually, temporaryFolder } from './world.ts';

const bitsPerSecond = 64_000;
const secondsOf = (bytes: number) => (bytes * 8) / bitsPerSecond;
const [imageBytes, frameBytes] = [40_000, 20_000];

test('D6, D5: through 64 kbit/s a picture of 40 kB and its violation come first; behind frames nothing waits for more than one', async t => {
  const broker = await startBroker(t);
  const link = await openThinLink(broker.url, bitsPerSecond);
  t.after(() => link.close());
  const outbox = openOutbox(join(temporaryFolder(t), 'fleet.sqlite'), { maxBytes: 1e9 });
  const [drone] = outbox.addDrones([{ droneId: 'nyc-0001', fleet: 'nyc' }]);
  const connection = createConnection(
    {
      url: link.url,
      ca: undefined,
      droneId: 'nyc-0001',
      fleet: 'nyc',
      password: 'password of nyc-0001',
      inFlightMax: 64,
    },
    {
      logger: silentLogger,
      handshakes: { open: 0 },
      take: () => outbox.take(drone!),
      acknowledged: message => outbox.acknowledged(drone!, message),
      lost: () => outbox.lostConnection(drone!),
      state: status => Buffer.from(JSON.stringify({ status })),
      command() {},
      failed() {},
    },
  );
  const telemetry = (pictures: DurablePicture[] = []) => ({
    drone: drone!,
    draft: { kind: 'telemetry' as const, observedAtMs: Date.now(), body: {} },
    pictures,
  });
  outbox.write([telemetry(await durable(outbox, 'frame', 40, frameBytes))]);
  outbox.write([
    {
      drone: drone!,
      draft: { kind: 'violation', observedAtMs: Date.now(), body: {} },
      pictures: await durable(outbox, 'image', 1, imageBytes),
    },
  ]);
  const ticking = setInterval(() => connection.tick(performance.now()), 20);
  t.after(async () => {
    clearInterval(ticking);
    await connection.close(100);
    outbox.close();
  });

  const seen = () => broker.received.filter(({ kind }) => kind !== 'state');
  const kinds = () => seen().map(({ kind }) => kind);
  const beganMs = performance.now();
  await eventually('the violation', () => kinds().includes('violation'), kinds);
  const tookS = (performance.now() - beganMs) / 1000;
  assert.ok(tookS > secondsOf(imageBytes) * 0.8 && tookS < secondsOf(imageBytes) + 2, `${tookS} s`);
  assert.deepEqual(kinds().slice(0, 3), ['image', 'telemetry', 'violation']);
  assert.equal(hash('sha256', seen()[0]!.payload!), seen()[0]!.imageId);

  await eventually('the first frame', () => kinds().includes('frame'), kinds);
  const before = kinds().filter(kind => kind === 'telemetry').length;
  const sentMs = performance.now();
  outbox.write([telemetry()]);
  connection.pump();
  await eventually('telemetry', () => kinds().filter(kind => kind === 'telemetry').length > before, kinds);
  const waitedS = (performance.now() - sentMs) / 1000;
  assert.ok(waitedS < secondsOf(frameBytes) + 1, `${waitedS} s`);
});
