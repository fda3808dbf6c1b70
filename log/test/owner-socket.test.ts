import assert from 'node:assert/strict';
import { once } from 'node:events';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { it } from 'node:test';
import { identifyLog } from '../log-owner.ts';
import { takeOwnerLock } from '../owner-lock.ts';
import { OwnerServer } from '../owner-server.ts';
import { frameType, ownerSocketPath, parseError, readFrames, sendFrame } from '../owner-socket.ts';
import { eventually, openLog, record, temporaryFolder } from './temporary-log.ts';

it('requests that are not well-formed are refused or hung up on, and change nothing for the others', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  const path = ownerSocketPath(await realpath(dataDir));
  const index = Buffer.from([0, 0]);
  for (const [type, body] of [
    [frameType.append, []],
    [frameType.append, [index, Buffer.from('PCB1 and then nothing that a batch would hold.......')]],
    [frameType.append, [Buffer.from([255, 255])]],
    [99, []],
  ] as const) {
    const socket = connect(path);
    const answer = new Promise<string>(resolve => {
      readFrames(socket, (kind, request, answered) => {
        if (request === 7) resolve(kind === frameType.failed ? parseError(answered).code : `type ${kind}`);
      });
    });
    sendFrame(socket, type, 7, ...body);
    assert.equal(await answer, 'LOG_UNAVAILABLE');
    socket.destroy();
  }
  const socket = connect(path);
  socket.write(Buffer.alloc(64, 0xff));
  socket.resume();
  await once(socket, 'close');
  assert.equal((await log.ends('telemetry'))[0]!.end, 0n);
  await log.append('telemetry', [record('x')]);
});

it('a process whose owner takes connections and says nothing is not healthy after some seconds, and closes at once', async t => {
  const dataDir = await temporaryFolder(t);
  const folder = join(dataDir, 'log');
  const lock = (await takeOwnerLock(folder))!;
  t.after(() => lock.release());
  const path = ownerSocketPath(await realpath(dataDir));
  const identity = await identifyLog(folder);
  const owner = await OwnerServer.open({ path, identity, views: [], append: async () => {}, handOver: () => {} });
  let monotonicMs = 0;
  const log = await openLog(t, { dataDir, role: 'other', monotonicMs: () => monotonicMs });
  monotonicMs = 60_000;
  assert.deepEqual(log.health(), { ok: true });

  await owner.close({ leaving: true });
  await rm(path, { force: true });
  const connected: Socket[] = [];
  const silent = createServer(socket => connected.push(socket)).listen(path);
  t.after(() => {
    for (const socket of connected) socket.destroy();
    silent.close();
  });
  await eventually('a connection', () => connected.length > 0);
  assert.deepEqual(log.health(), { ok: true });
  monotonicMs += 3001;
  assert.match(log.health().problem!, /does not answer/);
  const closeBefore = performance.now() + 2000;
  await log.close();
  assert.ok(performance.now() < closeBefore);
});

it('frames come out whole however the socket cuts them', async t => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const sender = connect(port, '127.0.0.1');
  const [receiver] = await once(server, 'connection');
  t.after(() => {
    sender.destroy();
    receiver.destroy();
  });
  const bodies = [0, 1, 100, 200_000, 3].map(size => Buffer.alloc(size, size));
  const received: Buffer[] = [];
  const all = new Promise<void>(resolve => {
    readFrames(receiver, (type, request, body) => {
      assert.equal(type, frameType.append);
      assert.equal(request, received.length);
      received.push(Buffer.from(body));
      if (received.length === bodies.length) resolve();
    });
  });
  const written: Buffer[] = [];
  const sink = { cork() {}, uncork() {}, write: (bytes: Buffer) => written.push(Buffer.from(bytes)) };
  bodies.forEach((body, request) => {
    sendFrame(sink as unknown as typeof sender, frameType.append, request, body);
  });
  const bytes = Buffer.concat(written);
  sender.setNoDelay(true);
  for (let at = 0; at < bytes.length; at += at < 400 ? 1 : 50_000) {
    sender.write(bytes.subarray(at, at + (at < 400 ? 1 : 50_000)));
    if (at < 50) await new Promise(setImmediate);
  }
  await all;
  assert.deepEqual(received, bodies);
});
