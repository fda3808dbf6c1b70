import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { sharedDir } from '../../test/shared.ts';
import { classify } from '../classifier.ts';
import { seededRandom } from '../random.ts';
import { drawTicket, localHour } from '../tickets.ts';
import { patrolArea } from '../world.ts';
import { temporaryFolder, world } from './world.ts';

const { map, tickets } = world;

test('the committed sample has 8,000 rows and more of ten years, and both files are small', () => {
  const columns = Object.values(tickets);
  assert.ok(tickets.code.length >= 8000 && columns.every(column => column.length === tickets.code.length));
  const years = new Set(tickets.day.map(day => new Date(Date.UTC(2000, 0, 1 + day)).getUTCFullYear()));
  for (let year = 2013; year <= 2023; year++) assert.ok(years.has(year), String(year));
  assert.deepEqual(new Set(tickets.county), new Set(['NY', 'BX', 'K', 'Q', 'R']));
  assert.ok(tickets.minute.every(minute => minute >= 0 && minute < 1440));
  assert.ok(tickets.code.every(code => code >= 1 && code <= 99));
  assert.ok(tickets.plate.every(plate => /^[A-Z0-9]{0,8}$/.test(plate)));
  const bytes = (name: string) => statSync(new URL(`../data/${name}`, import.meta.url)).size;
  assert.ok(bytes('tickets.json.gz') <= 500_000 && bytes('streets.json.gz') <= 600_000);
});

test('the committed files are what the public sources give', t => {
  const shared = sharedDir(t);
  if (shared === undefined) return;
  const out = temporaryFolder(t);
  const data = new URL('../data/', import.meta.url).pathname;
  execFileSync(process.execPath, [join(data, 'prepare.ts'), join(shared, 'data'), out]);
  for (const name of ['streets.json.gz', 'tickets.json.gz']) {
    // Unpacked: another zlib may pack the same text into other bytes.
    const text = (folder: string) => gunzipSync(readFileSync(join(folder, name))).toString();
    assert.ok(text(out) === text(data), name);
  }
});

test('codes, hours and counties are spread as over the whole of fiscal year 2016', () => {
  const share = (count: (index: number) => boolean) =>
    tickets.code.filter((_, index) => count(index)).length / tickets.code.length;
  // 10,626,899 rows, fy2016-full-year-frequencies.csv; daily counts of 2017 to 2019 for the counties.
  const codes: Record<number, number> = {
    21: 0.144,
    36: 0.118,
    38: 0.108,
    14: 0.082,
    37: 0.065,
    20: 0.057,
    46: 0.055,
    40: 0.044,
  };
  for (const [code, whole] of Object.entries(codes)) {
    const here = share(index => tickets.code[index] === Number(code));
    assert.ok(Math.abs(here - whole) < 0.04, `code ${code}: ${here} here, ${whole} in the whole year`);
  }
  const counties = { NY: 0.312, K: 0.274, Q: 0.249, BX: 0.136, R: 0.028 };
  for (const [county, whole] of Object.entries(counties)) {
    const here = share(index => tickets.county[index] === county);
    assert.ok(Math.abs(here - whole) < 0.05, `county ${county}: ${here} here, ${whole} in all`);
  }
  const atNight = share(index => tickets.minute[index]! < 6 * 60);
  assert.ok(atNight > 0.02 && atNight < 0.12, `${atNight} at night`);
});

test('every precinct has streets, and drones are shared out as the summonses are', () => {
  assert.equal(map.areas.length, 77);
  assert.ok(map.areas.every(({ segments }) => segments.length > 0));
  const drones = 500;
  const counties = new Map<string, number>();
  for (let index = 0; index < drones; index++) {
    const { county } = patrolArea(world, 1, index);
    counties.set(county, (counties.get(county) ?? 0) + 1);
  }
  const manhattan = counties.get('NY')! / drones;
  assert.ok(manhattan > 0.3 && manhattan < 0.45, `${manhattan} in Manhattan`);
  assert.deepEqual(patrolArea(world, 1, 3), patrolArea(world, 1, 3));
});

test('a draw is of the county and of about that hour', () => {
  const random = seededRandom(1, 'draws');
  for (const [county, hour, width] of [
    ['NY', 9, 1],
    ['R', 3, 24],
    ['K', 23, 3],
    ['Q', 0, 3],
  ] as const) {
    for (let count = 0; count < 50; count++) {
      const row = drawTicket(tickets, random, county, hour);
      assert.equal(tickets.county[row], county);
      assert.ok(Math.abs(tickets.minute[row]! / 60 - hour) <= width + 1, `${tickets.minute[row]} at ${hour}`);
    }
  }
  assert.equal(localHour(Date.UTC(2026, 6, 1, 16, 59)), 12);
  assert.equal(localHour(Date.UTC(2026, 0, 1, 4)), 23);
});

test('a judgement is sure, and nearly always right, or has a reason and at most three candidates', () => {
  const random = seededRandom(1, 'judge');
  let right = 0;
  let among = 0;
  const codes = [...new Set(tickets.code)];
  const rounds = 100;
  for (let round = 0; round < rounds; round++) {
    for (const trueCode of codes) {
      const sure = classify(random, trueCode, false);
      assert.equal(sure.reason, undefined);
      assert.deepEqual(sure.candidates[0], { code: sure.code, confidence: sure.confidence });
      if (sure.code === trueCode) right++;
      const unsure = classify(random, trueCode, true);
      assert.equal(unsure.code, undefined);
      assert.notEqual(unsure.reason, undefined);
      assert.ok(unsure.candidates.length >= 1 && unsure.candidates.length <= 3);
      const [first, second] = unsure.candidates;
      assert.ok(first!.confidence < 0.6 && (second === undefined || second.confidence <= first!.confidence));
      assert.equal(new Set(unsure.candidates.map(({ code }) => code)).size, unsure.candidates.length);
      if (unsure.candidates.some(({ code }) => code === trueCode)) among++;
    }
  }
  const total = rounds * codes.length;
  assert.ok(right / total > 0.96 && right < total, `${right} of ${total} right`);
  assert.ok(among / total > 0.8 && among < total, `${among} of ${total} among the candidates`);
});

test('no sign is said to be hidden where none decides', () => {
  const state = seededRandom(1, 'hydrants');
  const reasons = Array.from({ length: 500 }, () => classify(state, 40, true).reason);
  assert.ok(reasons.includes('low-confidence'));
  assert.ok(!reasons.includes('sign-occluded'));
});
