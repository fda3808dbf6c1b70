import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { epochKeptMs, type Identity, RedeliveryState } from '../redelivery.ts';

const identities = fc.record({
  droneId: fc.constantFrom('nyc-0001', 'nyc-0002'),
  epoch: fc.constantFrom('01K0N1V7Z0J8Q4S6T2W9X3Y5AB', '01K1N1V7Z0J8Q4S6T2W9X3Y5AB'),
  kind: fc.constantFrom('telemetry', 'ack'),
  seq: fc.integer({ min: 1, max: 12 }),
});

const nameOf = ({ droneId, epoch, kind, seq }: Identity) => `${droneId}/${epoch}/${kind}/${seq}`;

test('A4: exactly the first sight of an identity is no redelivery, whatever the order', () => {
  fc.assert(
    fc.property(fc.array(identities, { maxLength: 80 }), list => {
      const state = new RedeliveryState();
      const seen = new Set<string>();
      for (const identity of list) {
        assert.equal(state.see(identity, 1000), seen.has(nameOf(identity)));
        seen.add(nameOf(identity));
      }
    }),
  );
});

test('A4: a state that went through a manifest entry answers as the one that did not, and has the same bytes', () => {
  fc.assert(
    fc.property(fc.array(identities, { maxLength: 40 }), fc.array(identities, { maxLength: 40 }), (before, after) => {
      const kept = new RedeliveryState();
      for (const identity of before) kept.see(identity, 1000);
      const carried = RedeliveryState.parse(JSON.parse(JSON.stringify(kept.encode())));
      for (const identity of after) assert.equal(carried.see(identity, 2000), kept.see(identity, 2000));
      assert.equal(JSON.stringify(carried.encode()), JSON.stringify(kept.encode()));
    }),
  );
});

test('A4: the text of a state depends on what was seen, not on the order in which it was', () => {
  fc.assert(
    fc.property(fc.uniqueArray(identities, { selector: nameOf, maxLength: 40 }), list => {
      const texts = [list, list.toReversed()].map(order => {
        const state = new RedeliveryState();
        for (const identity of order) state.see(identity, 1000);
        return JSON.stringify(state.encode());
      });
      assert.equal(texts[0], texts[1]);
    }),
  );
});

test('A4: numbers without a gap are one pair, islands above them pairs of their own', () => {
  const state = new RedeliveryState();
  for (const seq of [1, 2, 3, 7, 9, 8]) state.see({ droneId: 'd', epoch: 'e', kind: 'k', seq }, 1);
  assert.deepEqual(state.encode(), { d: { e: { seen: { k: [1, 3, 7, 9] } } } });
});

test('A4: an epoch leaves 30 days of log time after a newer one appeared, the newest never', () => {
  const older = { droneId: 'd', epoch: '01A', kind: 'k', seq: 1 };
  const newer = { ...older, epoch: '01B' };
  const state = new RedeliveryState();
  state.see(older, 1000);
  state.endRun(1000 + 2 * epochKeptMs);
  state.see(newer, 5000);
  state.endRun(5000 + epochKeptMs);
  assert.equal(state.see(older, 5000 + epochKeptMs), true);
  state.endRun(5001 + epochKeptMs);
  assert.deepEqual(Object.keys(state.encode().d!), ['01B']);
  assert.equal(state.see(newer, 5001 + epochKeptMs), true);
});

test('A4: an old epoch that shows up late begins to leave from then on', () => {
  const state = new RedeliveryState();
  state.see({ droneId: 'd', epoch: '01B', kind: 'k', seq: 1 }, 1000);
  state.see({ droneId: 'd', epoch: '01A', kind: 'k', seq: 1 }, 9000);
  state.endRun(9000 + epochKeptMs);
  assert.deepEqual(Object.keys(state.encode().d!), ['01A', '01B']);
  state.endRun(9001 + epochKeptMs);
  assert.deepEqual(Object.keys(state.encode().d!), ['01B']);
});
