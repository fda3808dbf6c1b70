import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLogger } from '../../core/logging.ts';
import { createCamera } from '../camera.ts';
import { createDrone } from '../drone.ts';
import { createFleet } from '../fleet.ts';
import { openOutbox } from '../outbox.ts';
import type { DroneOutbox } from '../outbox-drone.ts';
import type { Entry } from '../outbox-entry.ts';
import { openPictureFiles, type PictureFilesOptions } from '../picture-files.ts';
import type { SceneFacts } from '../scene/scene.ts';
import { patrolArea } from '../world.ts';
import { eventually, temporaryFolder, world } from './world.ts';

const facts = { code: 14, street: 'Broadway', plate: 'X', plateState: 'NY', hour: 10, look: 1 as const };

/** A camera whose pictures are drawn when the test says so. */
function openCamera(t: TestContext, options: PictureFilesOptions = {}) {
  const files = openPictureFiles(join(temporaryFolder(t), 'x.pictures'), [], options);
  const lines: string[] = [];
  const drawing = new Map<string, (jpeg: Buffer) => void>();
  let ready = 0;
  const camera = createCamera(320, {
    logger: createLogger('info', { write: line => void lines.push(line) }),
    files,
    frames: undefined,
    ready: () => ready++,
    failed(error) {
      throw error;
    },
    draw: ({ seed }: SceneFacts) => new Promise<Buffer>(resolve => drawing.set(seed, resolve)),
  });
  t.after(async () => {
    await camera.close();
    files.close();
  });
  const photograph = (seed: string) =>
    camera.photograph({
      drone: {} as DroneOutbox,
      draft: { kind: 'violation', observedAtMs: 1, body: {}, scene: { ...facts, seed } },
    });
  const finish = (seed: string) => {
    drawing.get(seed)!(Buffer.from(`picture of ${seed}`));
    drawing.delete(seed);
  };
  return { camera, files, lines, drawing, photograph, finish, readyCalls: () => ready };
}

const seeds = (entries: readonly Entry[]) => entries.map(({ draft }) => draft.scene!.seed);

test('pictures become ready in the order of seeing, whichever is drawn first, with their bytes on disk', async t => {
  const { camera, files, drawing, photograph, finish, readyCalls } = openCamera(t);
  for (const seed of ['a', 'b', 'c']) assert.equal(photograph(seed), true);
  assert.deepEqual([...drawing.keys()], ['a', 'b']);
  finish('b');
  await eventually(
    'the third is drawn',
    () => drawing.has('c'),
    () => [...drawing.keys()],
  );
  finish('c');
  assert.deepEqual(camera.ready(), []);
  finish('a');
  await camera.idle();
  assert.ok(readyCalls() > 0);
  const entries = camera.ready();
  assert.deepEqual(seeds(entries), ['a', 'b', 'c']);
  for (const { draft, pictures } of entries) {
    const bytes = files.read(pictures![0]!.place);
    assert.equal(bytes.toString(), `picture of ${draft.scene!.seed}`);
    assert.equal(hash('sha256', bytes), pictures![0]!.imageId);
  }
});

test('64 violations may wait for their pictures; the next is not seen', async t => {
  const { camera, drawing, photograph, finish } = openCamera(t);
  for (let count = 0; count < 64; count++) assert.equal(photograph(`${count}`), true);
  assert.equal(photograph('too many'), false);
  finish('0');
  const ready: string[] = [];
  await eventually(
    'one is ready',
    () => ready.push(...seeds(camera.ready())) > 0,
    () => [...drawing.keys()],
  );
  assert.deepEqual(ready, ['0']);
  assert.deepEqual([photograph('another'), photograph('one more')], [true, false]);
});

test('a picture that cannot be written leaves its entry without one; the next one may be written again', async t => {
  let full = true;
  const { camera, lines, photograph, finish } = openCamera(t, {
    write: async (_, buffers) => {
      if (full) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      return { bytesWritten: buffers.reduce((sum, { length }) => sum + length, 0) };
    },
  });
  for (const seed of ['a', 'b']) {
    photograph(seed);
    finish(seed);
    await camera.idle();
  }
  full = false;
  photograph('c');
  finish('c');
  await camera.idle();
  const entries = camera.ready();
  assert.deepEqual(
    entries.map(({ pictures }) => pictures?.length),
    [undefined, undefined, 1],
  );
  assert.deepEqual(seeds(entries), ['a', 'b', 'c']);
  assert.equal(lines.filter(line => line.includes('cannot be written')).length, 1);
});

test('a disk without room for pictures: frames are refused, drones hold, telemetry goes on; with room they fly again', async t => {
  let full = true;
  const path = join(temporaryFolder(t), 'fleet.sqlite');
  const outbox = openOutbox(path, {
    maxBytes: 1e9,
    openFiles: (folder, named) =>
      openPictureFiles(folder, named, {
        write: async (_, buffers) => {
          if (full) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
          return { bytesWritten: buffers.reduce((sum, { length }) => sum + length, 0) };
        },
      }),
  });
  const startMs = Date.UTC(2026, 10, 25, 15);
  const telemetryIntervalMs = 500;
  const fleet = createFleet({
    logger: createLogger('silent'),
    outbox,
    now: () => startMs,
    imageWidthPx: 320,
    frames: { frameBytes: 20_000, bytesPerDay: 20_000 * 86_400 * 4, telemetryIntervalMs },
    failed(error) {
      throw error;
    },
  });
  const [mine] = outbox.addDrones([{ droneId: 'nyc-0001', fleet: 'nyc' }]);
  const drone = createDrone(
    {
      droneId: 'nyc-0001',
      seed: 1,
      startMs,
      telemetryIntervalMs,
      violationsPerHour: 7200,
      unqualifiedPct: 3,
      showsOneSoon: true,
    },
    world,
    patrolArea(world, 1, 0),
  );
  fleet.add(drone, mine!, { url: 'mqtt://127.0.0.1:1', ca: undefined, password: 'x', inFlightMax: 8 });
  let nowMs = startMs;
  const flyUntil = (what: string, condition: () => boolean) =>
    eventually(
      what,
      () => {
        nowMs += 50;
        fleet.tick(nowMs);
        return condition();
      },
      () => [mine!.made, mine!.refused],
    );
  await flyUntil('all is refused', () => fleet.counts().held === 1 && mine!.refused.frame > 3);
  assert.deepEqual([mine!.made.violation, mine!.made.image, mine!.made.frame], [0, 0, 0]);
  assert.ok(mine!.refused.violation > 0 && mine!.made.telemetry > 0);
  full = false;
  await flyUntil(
    'all is made again',
    () => fleet.counts().held === 0 && mine!.made.frame > 3 && mine!.made.violation > 0,
  );
  assert.equal(mine!.made.image, mine!.made.violation);
  await fleet.stop(0);
  outbox.close();
});
