import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { ledgerFolder, readLedgers } from '../../core/ledger.ts';
import type { Draft, NumberedKind, PictureKind } from '../drone.ts';
import type { OutboxOptions } from '../outbox.ts';
import { openOutboxDatabase } from '../outbox-statements.ts';
import { openPictureFiles } from '../picture-files.ts';
import type { Outgoing, Picture } from '../sending.ts';
import {
  assertPicturesWhole,
  draft,
  drain,
  durable,
  fleetPath,
  kindsOf,
  openPair,
  pictureCounts,
  pictureRows,
  takeAll,
} from './pictures.ts';
import { eventually, temporaryFolder } from './world.ts';

function assertBalanced(path: string): void {
  for (const { made, acknowledged, waiting } of pictureCounts(path)) assert.equal(acknowledged + waiting, made);
  assertPicturesWhole(path);
}

test('D4: a violation waits for the PUBACKs of its own images, not of later ones, and what is next in line waits with it', async t => {
  const { outbox, first } = openPair(t, temporaryFolder(t));
  const [one, two, later, frame] = [
    await durable(outbox, 'image', 2),
    await durable(outbox, 'image'),
    await durable(outbox, 'image'),
    await durable(outbox, 'frame'),
  ];
  outbox.write([
    { drone: first, draft: draft('telemetry'), pictures: frame },
    { drone: first, draft: draft('violation'), pictures: one },
    { drone: first, draft: draft('violation'), pictures: two },
    { drone: first, draft: draft('ack') },
    { drone: first, draft: draft('violation'), pictures: later },
  ]);
  const sent = takeAll(outbox, first);
  assert.equal(kindsOf(sent), 'image image image image ack telemetry');
  const [a, b, c, d] = sent;
  outbox.acknowledged(first, b!);
  assert.equal(kindsOf(takeAll(outbox, first)), '');
  outbox.acknowledged(first, a!);
  const [violation] = takeAll(outbox, first);
  assert.deepEqual(JSON.parse(violation!.payload.toString()).images, [one[0]!.imageId, one[1]!.imageId]);
  assert.equal(sent[0]!.topic, `prestacop/v1/nyc/nyc-0001/image/${one[0]!.imageId}`);
  outbox.acknowledged(first, d!);
  assert.equal(kindsOf(takeAll(outbox, first)), '');
  outbox.acknowledged(first, c!);
  assert.equal(kindsOf(takeAll(outbox, first)), 'violation violation frame');
});

test('D5: at most 256 kB of frames are in flight on a quick link, one on a slow one, and none before anything else', async t => {
  t.mock.timers.enable({ apis: ['Date'] });
  const now = t.mock.method(performance, 'now', () => nowMs);
  let nowMs = 1000;
  const { outbox, first } = openPair(t, temporaryFolder(t));
  const frames = await durable(outbox, 'frame', 40, 60_000);
  outbox.write([{ drone: first, draft: draft('telemetry'), pictures: frames }]);
  const [telemetry, ...others] = takeAll(outbox, first);
  assert.deepEqual(
    JSON.parse(telemetry!.payload.toString()).frames,
    frames.map(({ imageId }) => imageId),
  );
  const inFlight = others;
  assert.equal(kindsOf(inFlight), 'frame');
  let most = 0;
  for (let round = 0; round < 5; round++) {
    nowMs += 50;
    outbox.acknowledged(first, inFlight.shift()!);
    inFlight.push(...takeAll(outbox, first));
    most = Math.max(most, inFlight.length);
  }
  assert.equal(most, 4);
  outbox.write([{ drone: first, draft: draft('ack') }]);
  assert.equal(outbox.take(first)!.kind, 'ack');
  for (let round = 0; round < 6; round++) {
    nowMs += 5000;
    if (inFlight.length > 0) outbox.acknowledged(first, inFlight.shift()!);
    inFlight.push(...takeAll(outbox, first));
  }
  assert.ok(inFlight.length <= 1, `${inFlight.length} in flight`);
  now.mock.restore();
});

test('what is stored with a message is stored or refused with it; frames first, then telemetry, violations last', async t => {
  const dataDir = temporaryFolder(t);
  const { outbox, first } = openPair(t, dataDir, { maxBytes: 100_000 });
  const add = async (kind: NumberedKind, picture: PictureKind, bytes: number) => {
    const pictures = await durable(outbox, picture, 1, bytes);
    return outbox.write([{ drone: first, draft: draft(kind), pictures }]).length === 0;
  };
  for (let count = 0; count < 30; count++) assert.equal(await add('telemetry', 'frame', 5000), true);
  const { waitingBytes } = outbox.counts();
  assert.ok(waitingBytes > 78_000 && waitingBytes <= 90_000, `${waitingBytes}`);
  assert.ok(first.made.frame > 10 && first.refused.frame === 30 - first.made.frame);
  assert.equal(outbox.hasRoomForFrames(5000), false);
  const listed = readAllTelemetry(dataDir).flatMap(({ frames }) => frames ?? []);
  assert.deepEqual(
    listed.sort(),
    pictureRows(fleetPath(dataDir))
      .map(({ imageId }) => imageId.toLowerCase())
      .sort(),
  );

  while (outbox.write([{ drone: first, draft: draft('telemetry') }]).length === 0);
  assert.equal(await add('violation', 'image', 5000), true);
  while (await add('violation', 'image', 1000));
  assert.ok(outbox.counts().waitingBytes > 97_000 && outbox.counts().waitingBytes <= 100_000);
  assert.deepEqual([first.refused.image, first.refused.violation, outbox.hasRoom()], [1, 1, false]);
  assert.equal(first.made.image, first.made.violation);
  const counts = pictureCounts(fleetPath(dataDir)).filter(({ droneId }) => droneId === 'nyc-0001');
  assert.deepEqual(
    counts.map(({ kind, made, refused }) => [kind, made, refused]),
    [
      ['frame', first.made.frame, first.refused.frame],
      ['image', first.made.image, 1],
    ],
  );
  drain(outbox, first);
  assert.deepEqual([outbox.counts().waitingBytes, outbox.counts().waiting], [0, 0]);
  assertBalanced(fleetPath(dataDir));
});

function readAllTelemetry(dataDir: string): { frames?: string[] }[] {
  const database = new DatabaseSync(fleetPath(dataDir), { readOnly: true });
  const rows = database.prepare("select payload from outbox where kind = 'telemetry'").all();
  database.close();
  return rows.map(({ payload }) => JSON.parse(Buffer.from(payload as Uint8Array).toString()));
}

test('a violation whose picture could not be written is refused, and so is the answer to the command that wanted it', t => {
  const { outbox, first } = openPair(t, temporaryFolder(t));
  const scene = { code: 14, street: 'Broadway', plate: 'X', plateState: 'NY', hour: 10, look: 1 as const, seed: 's' };
  const done = { commandId: 'c', outcome: 'done' as const, note: undefined };
  const entry = { drone: first, draft: { ...draft('violation'), scene }, ack: { ...draft('ack'), done } };
  assert.deepEqual(outbox.write([entry]), [entry]);
  assert.deepEqual([first.made.violation, first.made.ack, first.refused.image], [0, 0, 1]);
  assert.equal(outbox.doneCommand('nyc-0001', 'c'), undefined);
  assert.deepEqual(takeAll(outbox, first), []);
});

test('a full disk while rows are written: their pictures are refused with them and their files freed', async t => {
  const dataDir = temporaryFolder(t);
  let database: DatabaseSync;
  const { outbox, first } = openPair(t, dataDir, {
    openDatabase: path => {
      database = openOutboxDatabase(path);
      return database;
    },
    openFiles: (folder, named) => openPictureFiles(folder, named, { rollBytes: 1 }),
  });
  database!.exec(`pragma max_page_count=${Number(database!.prepare('pragma page_count').get()!.page_count)}`);
  const large: Draft = { ...draft('violation'), body: { note: 'x'.repeat(40_000) } };
  const scene = { code: 14, street: 'Broadway', plate: 'X', plateState: 'NY', hour: 10, look: 1 as const, seed: 's' };
  const entries = [
    { drone: first, draft: { ...draft('violation'), scene } },
    { drone: first, draft: draft('violation'), pictures: await durable(outbox, 'image') },
    { drone: first, draft: large, pictures: await durable(outbox, 'image') },
  ];
  assert.deepEqual(outbox.write(entries), entries);
  assert.deepEqual([first.made.image, first.made.violation, outbox.files.bytes], [0, 0, 0]);
  assert.deepEqual([first.refused.image, first.refused.violation], [3, 3]);

  database!.exec('pragma max_page_count=100000');
  outbox.write([{ drone: first, draft: large, pictures: await durable(outbox, 'image') }]);
  assert.equal(kindsOf(drain(outbox, first)), 'image violation');
  assertBalanced(fleetPath(dataDir));
});

test('a picture that the disk lost is named once, counted as lost, and holds nothing up', async t => {
  const dataDir = temporaryFolder(t);
  const before = openPair(t, dataDir);
  const images = await durable(before.outbox, 'image', 3);
  for (const image of images) {
    before.outbox.write([{ drone: before.first, draft: draft('violation'), pictures: [image] }]);
  }
  before.close();
  const { file, position } = images[1]!.place;
  const path = join(ledgerFolder(dataDir), 'fleet.pictures', String(file));
  const bytes = readFileSync(path);
  bytes[position + 500]! ^= 1;
  writeFileSync(path, bytes);

  const damaged: Picture[] = [];
  const { outbox, first, close } = openPair(t, dataDir, { onDamaged: picture => void damaged.push(picture) });
  assert.equal(kindsOf(drain(outbox, first)), 'image violation violation image violation');
  assert.deepEqual(
    damaged.map(({ imageId }) => imageId),
    [images[1]!.imageId],
  );
  const { made, acknowledged, waiting } = outbox.counts();
  assert.deepEqual([made, acknowledged, waiting], [6, 5, 0]);
  outbox.write([{ drone: first, draft: draft('violation'), pictures: await durable(outbox, 'image', 2) }]);
  close();

  rmSync(join(ledgerFolder(dataDir), 'fleet.pictures'), { recursive: true });
  const gone = openPair(t, dataDir, { onDamaged: picture => void damaged.push(picture) });
  assert.equal(kindsOf(drain(gone.outbox, gone.first)), 'violation');
  assert.equal(damaged.length, 2);
  const count = pictureCounts(fleetPath(dataDir)).find(({ made }) => made > 0)!;
  assert.deepEqual([count.made, count.acknowledged, count.waiting], [5, 2, 0]);
});

test('D2: a copied outbox sends the pictures in it; its new epoch does not touch them', async t => {
  const dataDir = temporaryFolder(t);
  const before = openPair(t, dataDir);
  before.outbox.write([
    { drone: before.first, draft: draft('violation'), pictures: await durable(before.outbox, 'image') },
  ]);
  before.close();
  const copy = temporaryFolder(t);
  cpSync(ledgerFolder(dataDir), ledgerFolder(copy), { recursive: true });
  for (const folder of [copy, dataDir]) {
    const other = openPair(t, folder);
    other.outbox.write([
      { drone: other.first, draft: draft('violation'), pictures: await durable(other.outbox, 'image') },
    ]);
    const messages = drain(other.outbox, other.first);
    assert.equal(kindsOf(messages), 'image violation image violation');
    assert.equal(new Set(messages.map(({ epoch }) => epoch)).size, folder === copy ? 3 : 2);
    other.close();
    assertBalanced(fleetPath(folder));
  }
});

test('an outbox of version 0.1 is opened, with what waits in it', t => {
  const dataDir = temporaryFolder(t);
  const path = fleetPath(dataDir);
  mkdirSync(dirname(path), { recursive: true });
  const old = new DatabaseSync(path);
  old.exec(`create table drone (
    drone_id text primary key, fleet text not null, epoch text, ordered text, violations_per_hour real
  ) strict, without rowid;
  create table truth (
    drone_id text not null, epoch text not null, seq integer not null, code integer not null, ticket integer not null,
    primary key (drone_id, epoch, seq)
  ) strict, without rowid;
  insert into drone values ('nyc-0001', 'nyc', '01K0N1V7Z0J8Q4S6T2W9X3Y5AB', 'hold', 12.5);
  insert into truth values ('nyc-0001', '01K0N1V7Z0J8Q4S6T2W9X3Y5AB', 1, 14, 7)`);
  old.close();
  const { outbox, first } = openPair(t, dataDir);
  assert.deepEqual(first.settings, { ordered: 'hold', violationsPerHour: 12.5, frames: undefined });
  assert.equal(outbox.truthOf('nyc-0001', '01K0N1V7Z0J8Q4S6T2W9X3Y5AB', 1), undefined);
  const scene = { street: 'Broadway', hour: 10, reason: 'camera-angle' as const, seed: 's' };
  const truth = { code: 14, ticket: 7, remedy: 'zoom' as const, scene };
  outbox.changeSettings(first, { frames: false });
  outbox.write([{ drone: first, draft: { ...draft('violation'), truth } }]);
  assert.deepEqual(outbox.truthOf('nyc-0001', first.epoch, 1), truth);
});

test('whatever is stored, sent, acknowledged, lost and reopened: pictures come whole, first and once counted, and files go', async t => {
  type Step =
    | { do: 'violation' | 'telemetry'; pictures: number }
    | { do: 'send' | 'ack' | 'lose' | 'reopen'; count: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constantFrom('violation' as const, 'telemetry' as const), pictures: fc.nat(4) }),
    fc.record({ do: fc.constantFrom('send' as const, 'ack' as const, 'lose' as const), count: fc.nat(12) }),
    fc.record({ do: fc.constant('reopen' as const), count: fc.constant(0) }),
  );
  const small: Partial<OutboxOptions> = {
    openFiles: (folder, named) => openPictureFiles(folder, named, { rollBytes: 3000 }),
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async steps => {
      const dataDir = temporaryFolder(t);
      let { outbox, first, close } = openPair(t, dataDir, small);
      let inFlight: Outgoing[] = [];
      const acknowledged = new Set<string>();
      /** Everything that goes before frames. */
      const others = new Set<string>();
      let [made, stored] = [0, 0];
      const nameOf = (message: Outgoing) => ('imageId' in message ? message.imageId : `${message.kind} ${message.seq}`);
      const send = (count: number) => {
        for (let index = 0; index < count; index++) {
          const message = outbox.take(first);
          if (message === undefined) return;
          if ('imageId' in message) assert.equal(hash('sha256', message.payload), message.imageId);
          const { images = [] } = message.kind === 'violation' ? JSON.parse(message.payload.toString()) : {};
          assert.ok(
            (images as string[]).every(id => acknowledged.has(id)),
            'D4',
          );
          const sent = new Set([...acknowledged, ...inFlight.map(nameOf)]);
          if (message.kind === 'frame')
            assert.ok(
              [...others].every(name => sent.has(name)),
              'D5',
            );
          inFlight.push(message);
        }
      };
      for (const what of steps) {
        if (what.do === 'violation' || what.do === 'telemetry') {
          const kind = what.do === 'violation' ? 'image' : 'frame';
          const pictures = what.pictures === 0 ? [] : await durable(outbox, kind, what.pictures);
          assert.equal(outbox.write([{ drone: first, draft: draft(what.do), pictures }]).length, 0);
          others.add(`${what.do} ${first.made[what.do]}`);
          for (const { kind, imageId } of pictures) if (kind === 'image') others.add(imageId);
          made += 1 + what.pictures;
          stored += what.pictures;
        } else if (what.do === 'send') send(what.count);
        else if (what.do === 'ack') {
          for (const message of inFlight.splice(0, what.count)) {
            acknowledged.add(nameOf(message));
            outbox.acknowledged(first, message);
          }
        } else {
          inFlight = [];
          if (what.do === 'lose') outbox.lostConnection(first);
          else {
            close();
            ({ outbox, first, close } = openPair(t, dataDir, small));
          }
        }
        assertBalanced(fleetPath(dataDir));
      }
      outbox.lostConnection(first);
      for (const message of drain(outbox, first)) acknowledged.add(nameOf(message));
      assert.equal(acknowledged.size, made);
      assert.deepEqual(outbox.counts(), { made, acknowledged: made, refused: 0, waiting: 0, waitingBytes: 0 });
      const counts = pictureCounts(fleetPath(dataDir));
      assert.equal(
        counts.reduce((sum, count) => sum + count.acknowledged, 0),
        stored,
      );
      const folder = join(ledgerFolder(dataDir), 'fleet.pictures');
      const left = () => (existsSync(folder) ? readdirSync(folder) : []);
      await eventually('the files are freed', () => left().length <= 1, left);
      close();
    }),
    { numRuns: 20 },
  );
});

test('kill -9 at any moment: every picture that was made is there, whole, and no row is without its bytes', async t => {
  const dataDir = temporaryFolder(t);
  mkdirSync(ledgerFolder(dataDir), { recursive: true });
  const path = fleetPath(dataDir);
  let [images, frames, checked] = [0, 0, 0];
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'picture-writer.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let lines = 0;
    for await (const line of createInterface(child.stdout)) {
      const said = line.split(' ').map(Number);
      if (said.length !== 2) continue;
      [images, frames] = [Math.max(images, said[0]!), Math.max(frames, said[1]!)];
      if (++lines === 7 + 5 * round) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGKILL');
    for (const { kind, made, acknowledged, waiting } of pictureCounts(path)) {
      assert.equal(acknowledged + waiting, made);
      assert.ok(made >= (kind === 'image' ? images : frames), 'a picture was said to be made before it was on disk');
    }
    checked += assertPicturesWhole(path);
    for (const { made, acknowledged, waiting } of readLedgers(dataDir)) {
      assert.equal(acknowledged.count + waiting.count, made);
    }
  }
  assert.ok(checked > 10, `${checked} pictures were checked`);
});
