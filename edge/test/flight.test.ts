import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { beginFlight, type FlightState, type Order, stepFlight, turnWithinM } from '../flight.ts';
import { type Area, metresToSegment } from '../streets.ts';
import { world } from './world.ts';

const { map } = world;
const order = fc.constantFrom<Order>('patrol', 'patrol', 'patrol', 'hold', 'return');
const area = fc.integer({ min: 0, max: map.areas.length - 1 }).map(index => map.areas[index]!);
const steps = fc.array(fc.tuple(order, fc.integer({ min: 1, max: 60_000 })), { minLength: 1, maxLength: 60 });

function fly(seed: number, home: Area, orders: readonly [Order, number][], see?: (state: FlightState) => void) {
  let state = beginFlight(map, home, seed, 'nyc-0001');
  for (const [what, elapsedMs] of orders) {
    const before = structuredClone(state);
    const next = stepFlight(state, map, home, what, elapsedMs);
    assert.deepEqual(state, before);
    state = next;
    see?.(state);
  }
  return state;
}

test('a flight stays within what a drone can be, and on patrol never farther from a street than a turn is wide', () => {
  fc.assert(
    fc.property(fc.nat(), area, steps, (seed, home, orders) => {
      fly(seed, home, orders, state => {
        assert.ok(state.batteryPct >= 0 && state.batteryPct <= 100, `battery ${state.batteryPct}`);
        assert.ok(state.headingDeg >= 0 && state.headingDeg < 360, `heading ${state.headingDeg}`);
        assert.ok(state.altitudeM >= 0 && state.altitudeM <= 60 && state.speedMps >= 0 && state.speedMps <= 20);
        assert.ok(state.linkPct >= 0 && state.linkPct <= 100 && state.outageMs >= 0 && state.outageMs <= 60_000);
        assert.ok(Math.abs(state.skewMs) <= 1500);
        const nearestM = Math.min(...Array.from(home.segments, first => metresToSegment(map, first, state)));
        // A return is the straight line home, and may be broken off by a new order.
        if (orders.every(([what]) => what !== 'return') && state.batteryPct > 25 && state.mode !== 'return') {
          assert.ok(nearestM <= turnWithinM + 1, `${nearestM} m from the nearest street, mode ${state.mode}`);
        }
      });
    }),
    { numRuns: 60 },
  );
});

test('the same state, orders and times give the same flight; another seed gives another one', () => {
  fc.assert(
    fc.property(fc.nat(), area, steps, (seed, home, orders) => {
      assert.deepEqual(fly(seed, home, orders), fly(seed, home, orders));
      assert.notEqual(fly(seed, home, orders).word, fly(seed + 1, home, orders).word);
    }),
    { numRuns: 20 },
  );
});

test('a drone patrols until its battery is low, comes home, charges and goes out again', () => {
  const modes: string[] = [];
  const patrol = Array.from({ length: 3 * 3600 }, (): [Order, number] => ['patrol', 1000]);
  fly(7, map.areas[3]!, patrol, ({ mode, batteryPct }) => {
    if (mode !== modes.at(-1)) modes.push(mode);
    assert.ok(batteryPct > 5, 'it always comes home');
  });
  assert.deepEqual(modes.slice(0, 5), ['patrol', 'return', 'charge', 'patrol', 'return']);
});

test('in a dead spot the link is down for seconds to a minute, and comes back', () => {
  const outagesMs: number[] = [];
  const corners = new Set<number>();
  for (const home of map.areas.slice(0, 40)) {
    let up = true;
    const patrol = Array.from({ length: 1200 }, (): [Order, number] => ['patrol', 1000]);
    fly(1, home, patrol, ({ outageMs, linkPct, target }) => {
      corners.add(target);
      if (up && outageMs > 0) outagesMs.push(outageMs);
      up = outageMs === 0;
      assert.equal(linkPct === 0, !up);
    });
  }
  assert.ok(outagesMs.length >= 5 && outagesMs.length < corners.size / 10, `${outagesMs.length} of ${corners.size}`);
  assert.ok(outagesMs.every(ms => ms >= 1000 && ms <= 60_000));
});

test('ordered home, a drone charges and stays until it may go on', () => {
  const home = map.areas[10]!;
  const hour: [Order, number][] = Array.from({ length: 3600 }, () => ['return', 1000]);
  let state = fly(3, home, [['patrol', 60_000], ...hour]);
  assert.deepEqual([state.mode, state.altitudeM, state.batteryPct], ['charge', 0, 100]);
  state = stepFlight(state, map, home, 'hold', 1000);
  assert.equal(state.mode, 'charge');
  assert.equal(stepFlight(state, map, home, 'patrol', 1000).mode, 'patrol');
});
