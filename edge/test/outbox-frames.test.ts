import assert from 'node:assert/strict';
import { test } from 'node:test';
import { draft, drain, durable, kindsOf, openPair, takeAll } from './pictures.ts';
import { temporaryFolder } from './world.ts';

test('a small outbox goes on taking frames for as long as they are acknowledged', async t => {
  const { outbox, first } = openPair(t, temporaryFolder(t), { maxBytes: 1024 * 1024 });
  for (let count = 0; count < 50; count++) {
    assert.equal(outbox.hasRoomForFrames(100_000), true, `after ${count} frames, ${outbox.files.bytes} bytes of files`);
    outbox.write([{ drone: first, draft: draft('telemetry'), pictures: await durable(outbox, 'frame', 1, 100_000) }]);
    drain(outbox, first);
  }
});

test('a frame that is stored when the one before it has just gone is sent too, also where nothing else may be in flight', async t => {
  const dataDir = temporaryFolder(t);
  const before = openPair(t, dataDir);
  const frames = await durable(before.outbox, 'frame', 64); // as many as a lane reads at once
  before.outbox.write([{ drone: before.first, draft: draft('telemetry'), pictures: frames }]);
  before.close();

  const { outbox, first } = openPair(t, dataDir);
  for (let count = 0; count < 65; count++) outbox.acknowledged(first, outbox.take(first)!);
  outbox.write([{ drone: first, draft: draft('telemetry') }]);
  const telemetry = outbox.take(first)!;
  outbox.write([{ drone: first, draft: draft('telemetry'), pictures: await durable(outbox, 'frame') }]);
  outbox.acknowledged(first, telemetry);
  assert.equal(kindsOf(drain(outbox, first)), 'telemetry frame');
  assert.equal(outbox.counts().waiting, 0);
});

test('B6: a drone whose frames are switched off keeps those that wait, and sends them when they are on again', async t => {
  const { outbox, first } = openPair(t, temporaryFolder(t));
  outbox.write([
    { drone: first, draft: draft('telemetry'), pictures: await durable(outbox, 'frame') },
    { drone: first, draft: draft('violation'), pictures: await durable(outbox, 'image') },
  ]);
  outbox.changeSettings(first, { frames: false });
  assert.equal(kindsOf(drain(outbox, first)), 'image violation telemetry');
  outbox.changeSettings(first, { frames: true });
  assert.equal(kindsOf(takeAll(outbox, first)), 'frame');
});
