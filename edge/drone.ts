import type { Telemetry, Violation } from '../core/messages.ts';
import { classify } from './classifier.ts';
import { beginFlight, type FlightState, type Order, stepFlight } from './flight.ts';
import { type Random, random, randomBetween, seededRandom } from './random.ts';
import type { Area } from './streets.ts';
import { drawTicket, localHour } from './tickets.ts';
import type { World } from './world.ts';

export const firmware = '1.0.0';
const judgedBy = { firmware, model: 'kerb@1', policy: 'nyc-2024' };

export type NumberedKind = 'violation' | 'ack' | 'telemetry';

/** A message before it has a number: everything but the envelope that the outbox adds. */
export interface Draft {
  kind: NumberedKind;
  observedAtMs: number;
  body: Readonly<Record<string, unknown>>;
  /** What a violation really was: kept by the outbox, sent to nobody. */
  truth?: { code: number; ticket: number };
  /** The command that an ack answers, remembered in the same transaction (D7). */
  done?: { commandId: string; outcome: 'done' | 'refused' | 'expired'; note: string | undefined };
}

export interface DroneOptions {
  droneId: string;
  seed: number;
  startMs: number;
  telemetryIntervalMs: number;
  violationsPerHour: number;
  unqualifiedPct: number;
  /** Whether its first violation comes within 5 s and cannot be qualified, so that a demonstration begins at once. */
  showsOneSoon: boolean;
}

export interface Drone {
  readonly droneId: string;
  readonly flight: FlightState;
  readonly violationsPerHour: number;
  /** What an operator asked for; undefined: patrol. */
  ordered: 'hold' | 'return' | undefined;
  /** Set while a violation finds no room in the outbox: the drone holds. */
  full: boolean;
  /**
   * What the drone says between the call before and `toMs`, in order of time. Depends on the options, the orders and
   * the total time only, not on how it is cut into calls; after a jump of the clock it goes on from the new time.
   */
  advance(toMs: number): Draft[];
  setViolationsPerHour(rate: number): void;
  /** One more look at a vehicle it reported, for an officer's question. */
  lookAgain(ticket: number, atMs: number, answers: { command: string; case: string }): Draft;
  /** The drone's own clock at a true time. */
  clockMs(atMs: number): number;
}

const stepMs = 1000;
/** A pause longer than this (a suspended machine, a held fleet) is not made up for. */
const catchUpMaxMs = 5000;
const showWithinMs = 5000;
/** How often the second look, taken on request, still cannot qualify the vehicle. */
const secondLookUnqualified = 0.2;

export function createDrone(options: DroneOptions, world: World, area: Area): Drone {
  const { droneId, seed, telemetryIntervalMs, unqualifiedPct } = options;
  const camera: Random = seededRandom(seed, `${droneId}/camera`);
  let flight = beginFlight(world.map, area, seed, droneId);
  let rate = options.violationsPerHour;
  let showsOne = options.showsOneSoon && rate > 0 && unqualifiedPct > 0;
  let flownToMs = options.startMs;
  let telemetryAtMs = options.startMs + Math.floor(random(camera) * telemetryIntervalMs);
  let violationAtMs = nextViolationAfter(options.startMs);
  if (showsOne) violationAtMs = Math.min(violationAtMs, options.startMs + randomBetween(camera, 0.4, 1) * showWithinMs);

  function nextViolationAfter(timeMs: number): number {
    return rate > 0 ? timeMs - (Math.log(1 - random(camera)) * 3_600_000) / rate : Number.POSITIVE_INFINITY;
  }

  function order(): Order {
    return drone.ordered ?? (drone.full ? 'hold' : 'patrol');
  }

  function flyTo(timeMs: number): void {
    if (timeMs <= flownToMs) return;
    flight = stepFlight(flight, world.map, area, order(), timeMs - flownToMs);
    flownToMs = timeMs;
  }

  function goOnFrom(timeMs: number): void {
    flownToMs = timeMs;
    telemetryAtMs = timeMs + Math.floor(random(camera) * telemetryIntervalMs);
    violationAtMs = nextViolationAfter(timeMs);
  }

  function telemetry(): Draft {
    const { lat, lon, altitudeM, speedMps, headingDeg, batteryPct, temperatureC, linkPct, mode } = flight;
    const body = {
      lat: rounded(lat, 5),
      lon: rounded(lon, 5),
      altitudeM: rounded(altitudeM, 1),
      speedMps: rounded(speedMps, 1),
      headingDeg: rounded(headingDeg, 1) % 360,
      batteryPct: rounded(batteryPct, 1),
      temperatureC: rounded(temperatureC, 1),
      linkPct: Math.round(linkPct),
      mode,
    } satisfies Partial<Telemetry>;
    return { kind: 'telemetry', observedAtMs: drone.clockMs(telemetryAtMs), body };
  }

  function violation(ticket: number, unqualified: boolean, atMs: number, answers?: Violation['answers']): Draft {
    const { tickets, map } = world;
    const trueCode = tickets.code[ticket]!;
    const judgement = classify(camera, trueCode, unqualified);
    const plateRead = judgement.reason !== 'plate-unreadable';
    const vehicleKnown = judgement.reason !== 'unknown-vehicle';
    const body = {
      lat: rounded(flight.lat, 5),
      lon: rounded(flight.lon, 5),
      street: map.names[map.lineOf[flight.target]!]!,
      house: known(tickets.house[ticket]),
      county: area.county,
      precinct: area.precinct,
      plate: plateRead ? known(tickets.plate[ticket]) : undefined,
      plateState: plateRead ? known(tickets.plateState[ticket]) : undefined,
      plateType: plateRead ? known(tickets.plateType[ticket]) : undefined,
      bodyType: vehicleKnown ? known(tickets.bodyType[ticket]) : undefined,
      colour: known(tickets.colour[ticket]),
      make: vehicleKnown ? known(tickets.make[ticket]) : undefined,
      ...judgement,
      images: [],
      answers,
      ...judgedBy,
    } satisfies Partial<Violation>;
    return { kind: 'violation', observedAtMs: drone.clockMs(atMs), body, truth: { code: trueCode, ticket } };
  }

  const drone: Drone = {
    droneId,
    ordered: undefined,
    full: false,
    get flight() {
      return flight;
    },
    get violationsPerHour() {
      return rate;
    },
    advance(toMs) {
      if (toMs - flownToMs > catchUpMaxMs || flownToMs - toMs > catchUpMaxMs) goOnFrom(toMs);
      const drafts: Draft[] = [];
      for (;;) {
        const nextStepMs = (Math.floor(flownToMs / stepMs) + 1) * stepMs;
        const dueMs = Math.min(nextStepMs, telemetryAtMs, violationAtMs);
        if (dueMs > toMs) return drafts;
        flyTo(dueMs);
        if (dueMs === violationAtMs) {
          if (flight.mode === 'patrol') {
            const ticket = drawTicket(world.tickets, camera, area.county, localHour(dueMs));
            drafts.push(violation(ticket, showsOne || random(camera) * 100 < unqualifiedPct, dueMs));
            showsOne = false;
          }
          violationAtMs = nextViolationAfter(dueMs);
        }
        if (dueMs === telemetryAtMs) {
          drafts.push(telemetry());
          telemetryAtMs += telemetryIntervalMs;
        }
      }
    },
    setViolationsPerHour(next) {
      rate = next;
      violationAtMs = nextViolationAfter(flownToMs);
    },
    lookAgain(ticket, atMs, answers) {
      return violation(ticket, random(camera) < secondLookUnqualified, atMs, answers);
    },
    clockMs: atMs => Math.round(atMs + flight.skewMs),
  };
  return drone;
}

function rounded(value: number, digits: number): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}

/** The sample writes '' where a summons gave nothing. */
function known(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
