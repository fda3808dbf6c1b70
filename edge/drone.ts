import type { Telemetry, Violation } from '../core/messages.ts';
import { classify, type Judgement } from './classifier.ts';
import { beginFlight, type FlightState, type Order, stepFlight } from './flight.ts';
import { type Random, random, randomBetween, seededRandom } from './random.ts';
import { drawRemedy, type Remedy } from './scene/remedy.ts';
import type { SceneFacts } from './scene/scene.ts';
import type { Area } from './streets.ts';
import { drawTicket, localHour } from './tickets.ts';
import type { World } from './world.ts';

export const firmware = '1.0.0';
const judgedBy = { firmware, model: 'kerb@1', policy: 'nyc-2024' };

export type NumberedKind = 'violation' | 'ack' | 'telemetry';
/** Pictures of a violation, and of the patrol. */
export type PictureKind = 'image' | 'frame';

/** What a violation really was, and what it takes to look at it again: kept by the outbox, sent to nobody. */
export interface Truth {
  code: number;
  /** The row of the sample. */
  ticket: number;
  /** How an officer should settle it; undefined when the drone could qualify it. */
  remedy: Remedy | undefined;
  /** The part of the scene that the ticket does not tell. */
  scene: Pick<SceneFacts, 'street' | 'hour' | 'reason' | 'seed'>;
}

/** A message before it has a number: everything but the envelope that the outbox adds. */
export interface Draft {
  kind: NumberedKind;
  observedAtMs: number;
  body: Readonly<Record<string, unknown>>;
  truth?: Truth;
  /** What the camera sees: the message is stored with a picture of it. */
  scene?: SceneFacts;
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
  lookAgain(truth: Truth, atMs: number, answers: { command: string; case: string }): Draft;
  /** The drone's own clock at a true time. */
  clockMs(atMs: number): number;
}

const stepMs = 1000;
/** A pause longer than this (a suspended machine, a held fleet) is not made up for. */
const catchUpMaxMs = 5000;
const showWithinMs = 5000;
/** How often the second look, where it can help, still cannot qualify the vehicle. */
const secondLookUnqualified = 0.2;

export function createDrone(options: DroneOptions, world: World, area: Area): Drone {
  const { droneId, seed, telemetryIntervalMs, unqualifiedPct } = options;
  const camera: Random = seededRandom(seed, `${droneId}/camera`);
  let flight = beginFlight(world.map, area, seed, droneId);
  let rate = options.violationsPerHour;
  let showsOne = options.showsOneSoon && rate > 0 && unqualifiedPct > 0;
  let looks = 0;
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

  function firstLook(unqualified: boolean, atMs: number): Draft {
    const ticket = drawTicket(world.tickets, camera, area.county, localHour(atMs));
    const code = world.tickets.code[ticket]!;
    const judgement = classify(camera, code, unqualified);
    const remedy = unqualified ? drawRemedy(camera) : undefined;
    const street = world.map.names[world.map.lineOf[flight.target]!]!;
    const seed = `${droneId} ${drone.clockMs(atMs)} ${++looks}`;
    return violation(
      judgement,
      { code, ticket, remedy, scene: { street, hour: localHour(atMs), reason: judgement.reason, seed } },
      atMs,
      1,
    );
  }

  /** `look` of what `truth` says, judged so. */
  function violation(
    judgement: Judgement,
    truth: Truth,
    atMs: number,
    look: 1 | 2,
    answers?: Violation['answers'],
  ): Draft {
    const { tickets } = world;
    const { code, ticket, remedy, scene } = truth;
    const vehicle = {
      house: known(tickets.house[ticket]),
      bodyType: known(tickets.bodyType[ticket]),
      colour: known(tickets.colour[ticket]),
      make: known(tickets.make[ticket]),
    };
    const [plate, plateState] = [tickets.plate[ticket]!, tickets.plateState[ticket]!];
    const plateRead = judgement.reason !== 'plate-unreadable';
    const vehicleKnown = judgement.reason !== 'unknown-vehicle';
    const body = {
      lat: rounded(flight.lat, 5),
      lon: rounded(flight.lon, 5),
      street: scene.street,
      house: vehicle.house,
      county: area.county,
      precinct: area.precinct,
      plate: plateRead ? known(plate) : undefined,
      plateState: plateRead ? known(plateState) : undefined,
      plateType: plateRead ? known(tickets.plateType[ticket]) : undefined,
      bodyType: vehicleKnown ? vehicle.bodyType : undefined,
      colour: vehicle.colour,
      make: vehicleKnown ? vehicle.make : undefined,
      ...judgement,
      images: [],
      answers,
      ...judgedBy,
    } satisfies Partial<Violation>;
    const seen = { ...scene, ...vehicle, code, plate, plateState, remedy, look };
    return { kind: 'violation', observedAtMs: drone.clockMs(atMs), body, truth, scene: seen };
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
            drafts.push(firstLook(showsOne || random(camera) * 100 < unqualifiedPct, dueMs));
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
    lookAgain(truth, atMs, answers) {
      const helps = truth.remedy === undefined || truth.remedy === 'photograph-again';
      const reason = helps && random(camera) >= secondLookUnqualified ? undefined : truth.scene.reason;
      const scene = { ...truth.scene, hour: localHour(atMs), reason };
      const remedy = reason === undefined ? undefined : truth.remedy;
      const judgement = classify(camera, truth.code, reason !== undefined, reason);
      return violation(judgement, { ...truth, remedy, scene }, atMs, 2, answers);
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
