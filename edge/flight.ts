import type { Telemetry } from '../core/messages.ts';
import { type Random, random, randomBetween, randomIndex, seededRandom } from './random.ts';
import { type Area, metresToSegment, offsetM, type StreetMap } from './streets.ts';

export type FlightMode = Telemetry['mode'];

/** What the drone is to do; a low battery brings it home whatever the order is. */
export type Order = 'patrol' | 'hold' | 'return';

/** Everything that decides how the flight goes on. `word` is the state of its own random numbers. */
export interface FlightState extends Random {
  mode: FlightMode;
  lat: number;
  lon: number;
  /** Points of the street map: the base, the one it came from, the one it flies to. */
  base: number;
  from: number;
  target: number;
  altitudeM: number;
  speedMps: number;
  /** 0 <= headingDeg < 360, clockwise from north. */
  headingDeg: number;
  batteryPct: number;
  temperatureC: number;
  linkPct: number;
  /** How long the link will still be down; 0: up. */
  outageMs: number;
  /** The drone's clock minus the true one. */
  skewMs: number;
}

/** Streets within this distance of a corner can be turned into; so no patrol is farther from a street. */
export const turnWithinM = 45;

const cruiseMps = 7;
const homeMps = 14;
const cruiseAltitudeM = 30;
const climbMps = 3;
const batteryLowPct = 25;
const drainPctPerS: Record<FlightMode, number> = { patrol: 0.045, hold: 0.035, return: 0.05, charge: -0.4 };
/** One corner in so many lies in a dead spot: a tunnel, a canyon of towers. Always the same corners. */
const deadSpotEvery = 80;
const outageMinMs = 2000;
const outageMaxMs = 60_000;
const skewMaxMs = 1500;
/** A quartz clock's drift; it is set right again at every charge. */
const driftPpm = 30;

/** A drone at its base, which is a street corner of its area, with a battery that is not new. */
export function beginFlight(map: StreetMap, area: Area, seed: number, droneId: string): FlightState {
  const start = seededRandom(seed, droneId);
  const base = area.segments[randomIndex(start, area.segments.length)]!;
  return {
    word: start.word,
    mode: 'patrol',
    lat: map.lat[base]!,
    lon: map.lon[base]!,
    base,
    from: base,
    target: base + 1,
    altitudeM: 0,
    speedMps: 0,
    headingDeg: 0,
    batteryPct: 60 + (Math.abs(start.word) % 41),
    temperatureC: 21,
    linkPct: 90,
    outageMs: 0,
    skewMs: (Math.abs(start.word >> 8) % (2 * skewMaxMs)) - skewMaxMs,
  };
}

/** The state `elapsedMs` later. Pure: the same arguments give the same result, and `state` is not changed. */
export function stepFlight(
  state: FlightState,
  map: StreetMap,
  area: Area,
  order: Order,
  elapsedMs: number,
): FlightState {
  const next = { ...state };
  const seconds = elapsedMs / 1000;
  next.mode = modeAfter(state, map, order);
  next.batteryPct = clamp(state.batteryPct - drainPctPerS[next.mode] * seconds, 0, 100);
  next.temperatureC = clamp(state.temperatureC + randomBetween(next, -0.1, 0.1) * Math.min(seconds, 1), -10, 45);
  next.skewMs = clamp(state.skewMs + (elapsedMs * driftPpm) / 1e6, -skewMaxMs, skewMaxMs);
  next.outageMs = Math.max(0, state.outageMs - elapsedMs);

  if (next.mode === 'charge') next.skewMs *= 0.9;
  next.speedMps = speedOf(next);
  const altitudeM = next.mode === 'charge' ? 0 : cruiseAltitudeM * (next.mode === 'return' ? 2 : 1);
  next.altitudeM += clamp(altitudeM - next.altitudeM, -climbMps * seconds, climbMps * seconds);
  if (next.mode === 'patrol') followStreets(next, map, area, next.speedMps * seconds);
  if (next.mode === 'return') flyTowards(next, place(map, next.base), next.speedMps * seconds);
  next.linkPct = next.outageMs > 0 ? 0 : clamp(Math.max(state.linkPct, 50) + randomBetween(next, -4, 4.4), 50, 100);
  return next;
}

function modeAfter({ mode, batteryPct, lat, lon, base }: FlightState, map: StreetMap, order: Order): FlightMode {
  const home = lat === map.lat[base] && lon === map.lon[base];
  if (mode === 'charge') return batteryPct < 98 || order !== 'patrol' ? 'charge' : 'patrol';
  if (order === 'return' || batteryPct < batteryLowPct || (mode === 'return' && batteryPct < 98)) {
    return home && mode === 'return' ? 'charge' : 'return';
  }
  return order;
}

function speedOf(state: FlightState): number {
  if (state.mode === 'patrol') return clamp(cruiseMps + randomBetween(state, -1.5, 1.5), 0, 20);
  return state.mode === 'return' ? homeMps : 0;
}

function followStreets(state: FlightState, map: StreetMap, area: Area, distanceM: number): void {
  let leftM = distanceM;
  // A street of no length would never use the distance up.
  for (let corners = 0; corners < 100; corners++) {
    leftM = flyTowards(state, place(map, state.target), leftM);
    if (leftM <= 0) return;
    const at = state.target;
    if (Math.imul(at + 1, 0x9e3779b1) >>> 0 < 2 ** 32 / deadSpotEvery && state.outageMs === 0) {
      state.outageMs = Math.round(outageMinMs + (outageMaxMs - outageMinMs) * random(state) ** 2);
    }
    state.target = nextCorner(state, map, area, at);
    state.from = at;
  }
}

/** Along the street, or into one that meets it here; back only at a dead end. */
function nextCorner(state: FlightState, map: StreetMap, area: Area, at: number): number {
  const ahead = at + (at >= state.from ? 1 : -1);
  const goesOn = map.lineOf[ahead] === map.lineOf[at] && Math.abs(at - state.from) === 1;
  const turns: number[] = [];
  for (const first of area.segments) {
    if (map.lineOf[first] === map.lineOf[at]) continue;
    if (metresToSegment(map, first, state) <= turnWithinM) turns.push(first, first + 1);
  }
  if (goesOn && (turns.length === 0 || random(state) < 0.6)) return ahead;
  if (turns.length > 0) return turns[randomIndex(state, turns.length)]!;
  return map.lineOf[at + 1] === map.lineOf[at] && (at === 0 || map.lineOf[at - 1] !== map.lineOf[at]) ? at + 1 : at - 1;
}

/** Moves straight to `goal`, at most `distanceM`; returns what is left of the distance on arrival, else 0. */
function flyTowards(state: FlightState, goal: { lat: number; lon: number }, distanceM: number): number {
  const { eastM, northM } = offsetM(state, goal);
  const toGoM = Math.hypot(eastM, northM);
  if (toGoM > 0) state.headingDeg = headingOf(eastM, northM);
  if (toGoM <= distanceM) {
    state.lat = goal.lat;
    state.lon = goal.lon;
    return distanceM - toGoM;
  }
  state.lat += ((goal.lat - state.lat) * distanceM) / toGoM;
  state.lon += ((goal.lon - state.lon) * distanceM) / toGoM;
  return 0;
}

function headingOf(eastM: number, northM: number): number {
  const degrees = (Math.atan2(eastM, northM) * 180) / Math.PI;
  return degrees < 0 ? degrees + 360 : degrees;
}

function place({ lat, lon }: StreetMap, point: number): { lat: number; lon: number } {
  return { lat: lat[point]!, lon: lon[point]! };
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
