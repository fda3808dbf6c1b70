import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import WebSocket from 'ws';
import type { Config } from '../../core/config.ts';
import type { AppError } from '../../core/errors.ts';
import { connectPacket, openRaw, publishPacket } from './raw-client.ts';
import { connectDrone, startRig, until } from './rig.ts';

const topic = 'prestacop/v1/nyc/nyc-0001/telemetry';

async function failure(t: TestContext, changes: Partial<Config>): Promise<AppError> {
  return startRig(t, changes).then(
    () => assert.fail('it started'),
    error => error,
  );
}

test('a taken port is named with its setting, and nothing stays open', async t => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await until('the port', () => taken.listening);
  const { port } = taken.address() as { port: number };
  const error = await failure(t, { BROKER_PORT: port });
  assert.equal(error.code, 'BROKER_PORT_TAKEN');
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*BROKER_PORT.*BROKER_HOST`));

  const free = createServer().listen(0, '127.0.0.1');
  await until('a free port', () => free.listening);
  const freePort = (free.address() as { port: number }).port;
  await new Promise(resolve => free.close(resolve));
  const second = await failure(t, { BROKER_PORT: freePort, BROKER_WS_PORT: port });
  assert.equal(second.code, 'BROKER_PORT_TAKEN');
  assert.equal(second.detail.variable, 'BROKER_WS_PORT');
  await startRig(t, { BROKER_PORT: freePort });
});

test('an address that is not ours is named with BROKER_HOST', async t => {
  const error = await failure(t, { BROKER_HOST: '192.0.2.1' });
  assert.equal(error.code, 'BROKER_PORT_REFUSED');
  assert.match(error.message, /192\.0\.2\.1.*BROKER_HOST/);
});

test('the addresses are URLs, one a listener', async t => {
  const { broker } = await startRig(t, { BROKER_WS_PORT: 0 });
  assert.deepEqual(broker.addresses, [
    `mqtt://127.0.0.1:${broker.ports.mqtt}`,
    `ws://127.0.0.1:${broker.ports.ws}/mqtt`,
  ]);
});

test('WebSocket: a drone connects at /mqtt and gets its PUBACK', async t => {
  const rig = await startRig(t, { BROKER_WS_PORT: 0 });
  const drone = await connectDrone(t, rig.broker.addresses[1]!, 'nyc-0001');
  const payload = 'x'.repeat(300_000);
  await drone.publishAsync(topic, payload, { qos: 1 });
  assert.deepEqual(
    rig.handed.map(handed => handed.payload.length),
    [payload.length],
  );
});

test('WebSocket: other paths are not found, other subprotocols are refused, packets may cross messages', async t => {
  const rig = await startRig(t, { BROKER_WS_PORT: 0 });
  const base = `127.0.0.1:${rig.broker.ports.ws}`;
  assert.equal((await fetch(`http://${base}/mqtt`)).status, 404);
  const upgrade = (path: string, protocols: string[]) =>
    new Promise<string>(resolve => {
      const socket = new WebSocket(`ws://${base}${path}`, protocols);
      socket.on('open', () => resolve(`open ${socket.protocol}`));
      socket.on('error', ({ message }) => resolve(message));
      t.after(() => socket.terminate());
    });
  assert.match(await upgrade('/other', ['mqtt']), /404/);
  assert.match(await upgrade('/mqtt', ['chat']), /400/);
  assert.match(await upgrade('/mqtt', []), /400/);
  assert.equal(await upgrade('/mqtt?token=1', ['chat', 'mqtt']), 'open mqtt');

  const socket = new WebSocket(`ws://${base}/mqtt`, ['mqtt']);
  t.after(() => socket.terminate());
  const answers: string[] = [];
  socket.on('message', data => answers.push((data as Buffer).toString('hex')));
  await new Promise(resolve => socket.on('open', resolve));
  const bytes = Buffer.concat([connectPacket('nyc-0001'), publishPacket(topic, 'x', 1)]);
  for (let at = 0; at < bytes.length; at += 7) socket.send(bytes.subarray(at, at + 7));
  await until('the PUBACK', () => answers.join('') === '2002000040020001');
});

test('WebSocket: a message above BROKER_PACKET_MAX_BYTES closes its connection only', async t => {
  const rig = await startRig(t, { BROKER_WS_PORT: 0, BROKER_PACKET_MAX_BYTES: 10_000 });
  const socket = new WebSocket(`ws://127.0.0.1:${rig.broker.ports.ws}/mqtt`, ['mqtt']);
  socket.on('error', () => {});
  await new Promise(resolve => socket.on('open', resolve));
  socket.send(Buffer.alloc(10_001));
  await new Promise(resolve => socket.on('close', resolve));
  await connectDrone(t, rig.broker.addresses[1]!, 'nyc-0001');
});

function certificate(t: TestContext): { key: string; cert: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'broker-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost';
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  try {
    execFileSync('openssl', [...request.split(' '), ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    return { key, cert };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    t.skip('openssl, which makes the certificate, is not installed');
    return undefined;
  }
}

test('TLS: a drone that trusts the certificate gets its PUBACK, one that does not stays away', async t => {
  const files = certificate(t);
  if (files === undefined) return;
  const rig = await startRig(t, {
    BROKER_TLS_PORT: 0,
    BROKER_TLS_KEY_FILE: files.key,
    BROKER_TLS_CERT_FILE: files.cert,
  });
  const url = `mqtts://127.0.0.1:${rig.broker.ports.tls}`;
  assert.equal(rig.broker.addresses[1], url);
  const drone = await connectDrone(t, url, 'nyc-0001', { ca: readFileSync(files.cert) });
  await drone.publishAsync(topic, 'x'.repeat(100_000), { qos: 1 });
  await assert.rejects(connectDrone(t, url, 'nyc-0002'), /self.signed/);
  const plain = openRaw(t, rig.broker.ports.tls!);
  plain.send(connectPacket('nyc-0003'));
  await plain.untilClosed();
  assert.deepEqual(rig.events, ['connected nyc-0001']);
});

test('TLS: files that cannot be read or do not belong together are named with their settings', async t => {
  const files = certificate(t);
  if (files === undefined) return;
  const missing = await failure(t, {
    BROKER_TLS_PORT: 0,
    BROKER_TLS_KEY_FILE: files.key,
    BROKER_TLS_CERT_FILE: '/no/such/cert.pem',
  });
  assert.equal(missing.code, 'BROKER_TLS_FILE');
  assert.match(missing.message, /\/no\/such\/cert\.pem \(ENOENT\).*BROKER_TLS_CERT_FILE/);
  writeFileSync(files.key, 'not a key');
  const wrong = await failure(t, {
    BROKER_TLS_PORT: 0,
    BROKER_TLS_KEY_FILE: files.key,
    BROKER_TLS_CERT_FILE: files.cert,
  });
  assert.equal(wrong.code, 'BROKER_TLS_FILES');
});
