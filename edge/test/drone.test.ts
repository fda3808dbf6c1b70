import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Check } from 'typebox/value';
import { Telemetry, Violation } from '../../core/messages.ts';
import { createDrone, type Draft, type DroneOptions } from '../drone.ts';
import { patrolArea } from '../world.ts';
import { world } from './world.ts';

// 10:00 in New York.
const startMs = Date.UTC(2026, 10, 25, 15);
const options: DroneOptions = {
  droneId: 'nyc-0001',
  seed: 1,
  startMs,
  telemetryIntervalMs: 1000,
  violationsPerHour: 3600,
  unqualifiedPct: 20,
  showsOneSoon: false,
};
const drone = (changes: Partial<DroneOptions> = {}) =>
  createDrone({ ...options, ...changes }, world, patrolArea(world, options.seed, 4));
const envelope = { v: 1, droneId: 'nyc-0001', fleet: 'nyc', epoch: '01K0N1V7Z0J8Q4S6T2W9X3Y5AB', seq: 1 };

test('everything a drone says in half an hour is valid by the message table', () => {
  const drafts = drone().advance(startMs);
  const talker = drone();
  for (let atMs = startMs; atMs <= startMs + 1_800_000; atMs += 500) drafts.push(...talker.advance(atMs));
  for (const { kind, observedAtMs, body } of drafts) {
    const message = JSON.parse(JSON.stringify({ ...envelope, observedAtMs, ...body }));
    assert.ok(Check(kind === 'violation' ? Violation : Telemetry, message), JSON.stringify(message));
    assert.equal('truth' in message, false);
  }
  assert.equal(drafts.filter(({ kind }) => kind === 'telemetry').length, 1800);
  const violations = drafts.filter(({ kind }) => kind === 'violation');
  const unqualified = violations.filter(({ body }) => body.code === undefined);
  assert.ok(violations.length > 1000 && violations.length < 1900, `${violations.length} violations`);
  const share = unqualified.length / violations.length;
  assert.ok(share > 0.15 && share < 0.25, `${share} unqualified`);
  assert.ok(unqualified.every(({ body }) => body.reason !== undefined));
});

test('what a drone says does not depend on how time is cut into ticks', () => {
  const endMs = startMs + 60_000;
  const whole: Draft[] = [];
  const steady = drone();
  for (let atMs = startMs; atMs <= endMs; atMs += 1000) whole.push(...steady.advance(atMs));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 60, maxLength: 60 }), ticks => {
      const uneven = drone();
      const drafts: Draft[] = [];
      let atMs = startMs;
      for (const tick of ticks) {
        atMs = Math.min(endMs, atMs + tick);
        drafts.push(...uneven.advance(atMs));
      }
      while (atMs < endMs) {
        atMs = Math.min(endMs, atMs + 4000);
        drafts.push(...uneven.advance(atMs));
      }
      assert.deepEqual(drafts, whole);
    }),
    { numRuns: 20 },
  );
});

test('a jump of the clock, either way, is not made up for', () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    const jumper = drone({ violationsPerHour: 0 });
    jumper.advance(startMs + 2000);
    assert.ok(jumper.advance(startMs + jumpMs).length <= 1);
    assert.equal(jumper.advance(startMs + jumpMs + 3000).length, 3);
  }
});

test('the first drone shows a vehicle it cannot qualify within five seconds, even when these are rare', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const shower = drone({ seed, showsOneSoon: true, unqualifiedPct: 0.001, violationsPerHour: 1 });
    const [violation] = shower.advance(startMs + 5000).filter(({ kind }) => kind === 'violation');
    assert.notEqual(violation?.body.reason, undefined);
  }
  const none = drone({ showsOneSoon: true, unqualifiedPct: 0 });
  assert.ok(none.advance(startMs + 5000).every(({ body }) => body.reason === undefined));
});

test('defaults of 20 drones: about one vehicle a minute that the drone cannot qualify', () => {
  let count = 0;
  const hours = 3;
  for (let index = 0; index < 20; index++) {
    const droneId = `nyc-${index}`;
    const patroller = createDrone(
      { ...options, droneId, telemetryIntervalMs: 3_600_000, violationsPerHour: 350, unqualifiedPct: 1 },
      world,
      patrolArea(world, 1, index),
    );
    for (let atMs = startMs; atMs <= startMs + hours * 3_600_000; atMs += 5000) {
      count += patroller.advance(atMs).filter(({ body }) => body.reason !== undefined).length;
    }
  }
  const perMinute = count / (60 * hours);
  assert.ok(perMinute > 0.75 && perMinute < 1.25, `${perMinute} a minute`);
});

test('a drone that holds sees nothing and says so', () => {
  const holder = drone();
  holder.ordered = 'hold';
  const drafts = holder.advance(startMs + 5000);
  assert.deepEqual(new Set(drafts.map(({ kind, body }) => `${kind} ${body.mode}`)), new Set(['telemetry hold']));
});

test('D7: a second look is at the same vehicle, and helps where the picture allows it', () => {
  const looker = drone({ unqualifiedPct: 100, violationsPerHour: 20_000 });
  const firsts: Draft[] = [];
  for (let atMs = startMs; atMs <= startMs + 600_000; atMs += 1000) {
    firsts.push(...looker.advance(atMs).filter(({ kind }) => kind === 'violation'));
  }
  const answers = { command: envelope.epoch, case: `nyc-0001:${envelope.epoch}:1` };
  const qualified = new Map<string, number>();
  const seen = new Map<string, number>();
  for (const { scene, truth, body } of firsts) {
    assert.deepEqual([scene!.code, scene!.reason, scene!.look], [truth!.code, body.reason, 1]);
    const again = looker.lookAgain(truth!, startMs + 600_000, answers);
    assert.deepEqual(again.body.answers, answers);
    const { look, hour, reason, remedy, ...same } = again.scene!;
    const { look: _, hour: __, reason: wasReason, remedy: wasRemedy, ...first } = scene!;
    assert.deepEqual([look, same], [2, first]);
    assert.equal(again.body.reason, reason);
    if (reason !== undefined) assert.deepEqual([reason, remedy], [wasReason, wasRemedy]);
    seen.set(wasRemedy!, (seen.get(wasRemedy!) ?? 0) + 1);
    if (reason === undefined) qualified.set(wasRemedy!, (qualified.get(wasRemedy!) ?? 0) + 1);
  }
  assert.deepEqual([...seen.keys()].sort(), ['dismiss', 'escalate', 'photograph-again', 'zoom']);
  assert.deepEqual([...qualified.keys()], ['photograph-again']);
  const share = qualified.get('photograph-again')! / seen.get('photograph-again')!;
  assert.ok(share > 0.7 && share < 0.9, `${share}`);
  assert.equal(new Set(firsts.map(({ scene }) => scene!.seed)).size, firsts.length);
});
