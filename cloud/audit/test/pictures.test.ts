import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ledgerFolder } from '../../../core/ledger.ts';
import type { EventLog } from '../../../log/event-log.ts';
import { openPictureScene, picture, pictureRecord, pictures, sheetOf } from './picture-scene.ts';
import { epoch, stateRecord } from './scene.ts';

test('P1: pictures in the log, in an outbox and newer than the ledger balance, and what lies in the log is hashed', async t => {
  const scene = await openPictureScene(t);
  const [first, second, waiting, newer, unnamed] = pictures('frame', 5);
  await scene.store('nyc-0001', 'frame', first!, second!, first!, unnamed!);
  await scene.name('nyc-0001', 'telemetry', 1, [first!, second!]);
  await scene.name('nyc-0001', 'telemetry', 2, [waiting!, first!]);
  await scene.name('nyc-0001', 'telemetry', 3, [newer!], { ledger: false });
  scene.wait('nyc-0001', 'frame', waiting!);
  scene.ledger.exec(`insert into picture_count values ('nyc-0001', 'frame', 'nyc', 9, 4, 2)`);
  const report = await scene.audit();
  assert.deepEqual(sheetOf(report, 'frame'), {
    named: 4,
    inLog: 2,
    inFlight: 1,
    newer: 1,
    unnamed: 1,
    redelivered: 1,
    refused: 2,
    checked: 4,
  });
  assert.equal(report.ok, true);
});

test('a message that names an image which never came: the audit names image, drone and message', async t => {
  const scene = await openPictureScene(t);
  const [came, never] = pictures('image', 2);
  await scene.store('nyc-0001', 'image', came!);
  await scene.name('nyc-0001', 'violation', 1, [came!]);
  await scene.name('nyc-0001', 'violation', 2, [never!, came!]);
  const report = await scene.audit();
  assert.deepEqual(sheetOf(report, 'image'), { named: 2, inLog: 1, missing: 1, checked: 1 });
  assert.deepEqual(report.pictures.missing, [
    {
      kind: 'image',
      imageId: never!.id,
      namedBy: { droneId: 'nyc-0001', epoch, kind: 'violation', seq: 2 },
      lastSeen: 'no longer in its outbox; neither in archive nor log, which lack no offset: it never came',
    },
  ]);
  assert.equal(report.ok, false);
});

test('D4: an image must be there before its violation, so newer than the ledger does not excuse it', async t => {
  const scene = await openPictureScene(t);
  await scene.name('nyc-0001', 'violation', 1, []);
  await scene.name('nyc-0001', 'violation', 2, [picture('never')], { ledger: false });
  assert.deepEqual(sheetOf(await scene.audit(), 'image'), { named: 1, missing: 1 });
});

test('P1: the ends of pictures are taken after those of the messages that name them, so what flies on misses none', async t => {
  const scene = await openPictureScene(t);
  const steps: string[] = [];
  let seq = 0;
  const log: EventLog = {
    ...scene.log,
    // Whenever an end is taken, one more image has come, and then its violation.
    async ends(stream) {
      const ends = await scene.log.ends(stream);
      steps.push(stream);
      const taken = picture(`${++seq}`);
      await scene.store('nyc-0001', 'image', taken);
      await scene.name('nyc-0001', 'violation', seq, [taken]);
      return ends;
    },
  };
  const report = await scene.audit({ log });
  assert.ok(steps.includes('image') && report.pictures.kinds.image!.named > 0);
  assert.deepEqual(report.pictures.missing, []);
});

test('an image in another stream, or a frame of that id, does not stand for it', async t => {
  const scene = await openPictureScene(t);
  const taken = picture('both');
  await scene.store('nyc-0001', 'frame', taken);
  await scene.name('nyc-0001', 'violation', 1, [taken]);
  const report = await scene.audit();
  assert.deepEqual(sheetOf(report, 'image'), { named: 1, missing: 1 });
  assert.deepEqual(sheetOf(report, 'frame'), { unnamed: 1, checked: 1 });
});

test('a named picture that was rejected is no loss and its reason is told; one of another drone excuses nothing', async t => {
  const scene = await openPictureScene(t);
  const [own, foreign] = pictures('image', 2);
  await scene.log.append('rejected', [
    pictureRecord('nyc-0001', 'image', own!.id, Buffer.from('other bytes'), { reason: 'WRONG_HASH' }),
    pictureRecord('nyc-0002', 'image', foreign!.id, Buffer.from('other bytes'), { reason: 'WRONG_HASH' }),
  ]);
  await scene.name('nyc-0001', 'violation', 1, [own!, foreign!]);
  const { pictures: found } = await scene.audit();
  assert.deepEqual(found.rejected, [
    {
      kind: 'image',
      imageId: own!.id,
      namedBy: { droneId: 'nyc-0001', epoch, kind: 'violation', seq: 1 },
      reason: 'WRONG_HASH',
      offset: 0n,
    },
  ]);
  assert.deepEqual(
    found.missing.map(({ imageId }) => imageId),
    [foreign!.id],
  );
});

test("a device's frame is unproven until it says, with the number of the naming message, that nothing waits; its image is missing at once", async t => {
  const scene = await openPictureScene(t);
  const [old, young] = pictures('frame', 2);
  const observedAtMs = Date.now();
  const device = { ledger: false };
  const state = (made: number, more: object) => {
    const kinds = { frame: { made: 2, refused: 7 }, telemetry: { made, refused: 0 } };
    const record = stateRecord('fra-0001', kinds);
    // Later than what it names: the second telemetry was seen then, and not numbered yet.
    const observed = { observedAtMs: observedAtMs + 3000 };
    const message = { ...JSON.parse(Buffer.from(record.payload).toString()), ...observed, ...more };
    return { ...record, payload: Buffer.from(JSON.stringify(message)) };
  };
  await scene.name('fra-0001', 'telemetry', 1, [old!], { ...device, observedAtMs });
  await scene.name('fra-0001', 'telemetry', 2, [young!], { ...device, observedAtMs: observedAtMs + 2000 });
  await scene.name('fra-0001', 'violation', 1, [picture('image')], device);
  await scene.log.append('state', [
    state(2, { backlogMessages: 1 }),
    state(2, { backlogMessages: 0, status: 'offline' }),
  ]);
  const before = await scene.audit();
  assert.deepEqual(sheetOf(before, 'frame'), { named: 2, unproven: 2, refused: 7 });
  assert.deepEqual(before.pictures.unproven, [{ droneId: 'fra-0001', count: 2 }]);
  assert.deepEqual(sheetOf(before, 'image'), { named: 1, missing: 1 });
  assert.deepEqual(before.gaps, [], 'the count of pictures in a state is no sequence');

  await scene.log.append('state', [state(1, { backlogMessages: 0 })]);
  const after = await scene.audit();
  assert.deepEqual(sheetOf(after, 'frame'), { named: 2, unproven: 1, missing: 1, refused: 7 });
  const frame = after.pictures.missing.find(({ kind }) => kind === 'frame')!;
  assert.equal(frame.imageId, old!.id);
  assert.match(frame.lastSeen, /^its drone said at 20..-.*Z that nothing waits; /);
});

test('a record whose bytes are not those of its id is damaged, and the audit names who names it', async t => {
  const scene = await openPictureScene(t);
  const [good, bad] = pictures('image', 2);
  await scene.store('nyc-0001', 'image', good!, { ...bad!, bytes: good!.bytes });
  await scene.name('nyc-0001', 'violation', 1, [good!, bad!]);
  const report = await scene.audit();
  assert.deepEqual(sheetOf(report, 'image'), { named: 2, inLog: 2, checked: 2, damaged: 1 });
  assert.deepEqual(report.pictures.damaged, [
    {
      kind: 'image',
      imageId: bad!.id,
      droneId: 'nyc-0001',
      where: 'offset 1 of the log of image partition 0',
      problem: 'its bytes do not hash to its id',
      namedBy: { droneId: 'nyc-0001', epoch, kind: 'violation', seq: 1 },
    },
  ]);
  assert.equal(report.ok, false);
});

test('D2: an outbox and its copy count the same PUBACKs, which are no more than the records', async t => {
  const scene = await openPictureScene(t);
  await scene.name('nyc-0001', 'telemetry', 1, []);
  await scene.store('nyc-0001', 'frame', ...pictures('frame', 3));
  scene.ledger.exec(`insert into picture_count values ('nyc-0001', 'frame', 'nyc', 3, 3, 0)`);
  scene.ledger.exec(`vacuum into '${join(ledgerFolder(scene.dataDir), 'copy.sqlite')}'`);
  const report = await scene.audit();
  assert.deepEqual(report.pictures.unaccounted, []);
  assert.equal(report.ok, true);
});

test('more PUBACKs than records prove a loss also of frames that no message names yet; fewer prove nothing', async t => {
  const scene = await openPictureScene(t);
  await scene.name('nyc-0001', 'telemetry', 1, []);
  const same = picture('same');
  await scene.store('nyc-0001', 'frame', same, same);
  await scene.store('nyc-0002', 'frame', same, same);
  scene.ledger.exec(`
    insert into picture_count values ('nyc-0001', 'frame', 'nyc', 3, 3, 0), ('nyc-0002', 'frame', 'nyc', 1, 1, 0)`);
  const report = await scene.audit();
  assert.deepEqual(report.pictures.unaccounted, [
    { kind: 'frame', droneId: 'nyc-0001', acknowledged: 3, stored: 2, rejected: 0 },
  ]);
  assert.equal(report.ok, false);
});
