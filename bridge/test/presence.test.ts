import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredRecord } from '../../log/event-log.ts';
import { Presence } from '../presence.ts';

const state = (connection: string, status: string, timeMs: number): StoredRecord => ({
  key: 'nyc-0001',
  headers: { connection },
  payload: Buffer.from(JSON.stringify({ status })),
  offset: 0n,
  timeMs,
});

test('B7: offline counts only for the connection that was online last', () => {
  const presence = new Presence(300_000);
  assert.equal(presence.apply(state('A', 'online', 0)), undefined);
  assert.equal(presence.apply(state('B', 'online', 1)), 'A', 'the older connection is named, to be closed');
  presence.apply(state('A', 'offline', 2));
  assert.equal(presence.online(3), 1, "the older connection's will does not take the newer one offline");
  presence.apply(state('B', 'offline', 4));
  assert.equal(presence.online(5), 0);
});

test('B7: an older connection that speaks late changes nothing', () => {
  const presence = new Presence(300_000);
  presence.apply(state('B', 'online', 1));
  assert.equal(presence.apply(state('A', 'online', 2)), undefined);
  presence.apply(state('A', 'offline', 3));
  assert.equal(presence.online(4), 1);
});

test('B7: any message of a drone keeps it online, and one of an adapted fleet counts by what its adapter made', () => {
  const presence = new Presence(1000);
  const record = state('A', 'online', 0);
  presence.apply({
    ...record,
    headers: { connection: 'A', message: '{"status":"online"}' },
    payload: Buffer.from([1, 2]),
  });
  presence.heard('nyc-0001', 2500);
  assert.equal(presence.online(5000), 1);
  assert.equal(presence.online(5501), 0);
});

test('B7: a drone without a record for three keep-alives is offline', () => {
  const presence = new Presence(1000);
  presence.apply(state('A', 'online', 0));
  assert.equal(presence.online(3000), 1);
  assert.equal(presence.online(3001), 0);
});
