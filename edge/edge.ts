import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { defineErrors } from '../core/errors.ts';
import { ledgerFolder } from '../core/ledger.ts';
import type { Logger } from '../core/logging.ts';
import type { Metrics } from '../core/metrics.ts';
import { type Health, type Service, serviceLife } from '../core/service.ts';
import { createDrone } from './drone.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { openOutbox } from './outbox.ts';
import type { DroneOutbox } from './outbox-drone.ts';
import type { Kind } from './sending.ts';
import { loadWorld, patrolArea } from './world.ts';

export type EdgeConfig = Pick<
  Config,
  | 'DATA_DIR'
  | 'EDGE_DRONES'
  | 'EDGE_SEED'
  | 'EDGE_FLEET'
  | 'EDGE_DRONE_ID'
  | 'EDGE_TELEMETRY_INTERVAL_MS'
  | 'EDGE_VIOLATIONS_PER_HOUR'
  | 'EDGE_UNQUALIFIED_PCT'
  | 'EDGE_IMAGE_WIDTH_PX'
  | 'EDGE_FRAME_BYTES'
  | 'EDGE_FRAME_BYTES_PER_DAY'
  | 'EDGE_OUTBOX_MAX_BYTES'
  | 'EDGE_DISK_RESERVE_BYTES'
  | 'EDGE_INFLIGHT_MAX'
  | 'MQTT_URL'
  | 'MQTT_CA_FILE'
>;

export interface EdgeDeps {
  logger: Logger;
  metrics: Metrics;
  /** URL of the broker: MQTT_URL or, embedded, our own. */
  mqttUrl: string;
  /** Fleet and password by drone id. */
  credentials: ReadonlyMap<string, { fleet: string; password: string }>;
  /** UTC milliseconds; default Date.now. */
  now?: () => number;
}

/** Totals since the outbox was made, over every drone of the file, pictures included. */
export interface EdgeCounts {
  drones: number;
  online: number;
  made: number;
  acknowledged: number;
  refused: number;
  waiting: number;
  waitingBytes: number;
  /** Pictures that the disk lost before they had a PUBACK. */
  lost: number;
  /** Drones that hold because the outbox or the disk has no room. */
  held: number;
}

export interface Edge extends Service {
  counts(): EdgeCounts;
}

export const edgeErrors = defineErrors('EDGE', {
  NO_PASSWORD: {
    misuse: true,
    message:
      'There is no password for the drone {droneId}: name its file in EDGE_CREDENTIALS_FILE, or set MQTT_PASSWORD for one device',
  },
  CA_FILE: { misuse: true, message: 'Cannot read {path} ({reason}), which MQTT_CA_FILE names' },
  FLEET_NAME_TOO_LONG: {
    misuse: true,
    message: 'EDGE_FLEET and a number make the drone id {droneId}, which is longer than 32',
  },
});

/** A violation waits for the next tick to be seen. */
const tickMaxMs = 100;
const tickMinMs = 50;
/** Telemetry waits for the next transaction: fewer of them are fewer bytes written. */
const storeMaxMs = 1000;
/** The first ticks follow each other quickly, so that the first messages are seen at once. */
const quickTicks = 20;
const diskCheckMs = 5000;
const drainMs = 3000;
/** Flying goes on when there is so much more than the reserve. */
const reserveAgain = 1.05;

/** The ids of the drones that this process flies: nyc-0001, nyc-0002 ...; for one drone EDGE_DRONE_ID, when set. */
export function droneIds(config: Pick<Config, 'EDGE_DRONES' | 'EDGE_FLEET' | 'EDGE_DRONE_ID'>): string[] {
  if (config.EDGE_DRONES === 1 && config.EDGE_DRONE_ID !== undefined) return [config.EDGE_DRONE_ID];
  return Array.from({ length: config.EDGE_DRONES }, (_, index) => {
    const droneId = `${config.EDGE_FLEET}-${String(index + 1).padStart(4, '0')}`;
    if (droneId.length > 32) throw edgeErrors.FLEET_NAME_TOO_LONG({ droneId });
    return droneId;
  });
}

/** The file of outbox and ledger: one for a simulated fleet, one of its own for a device (one drone and MQTT_URL). */
export function outboxPath(
  config: Pick<Config, 'DATA_DIR' | 'EDGE_DRONES' | 'EDGE_FLEET' | 'EDGE_DRONE_ID' | 'MQTT_URL'>,
) {
  const device = config.EDGE_DRONES === 1 && config.MQTT_URL !== undefined;
  return join(ledgerFolder(config.DATA_DIR), `${device ? droneIds(config)[0] : 'fleet'}.sqlite`);
}

function readAuthority(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw edgeErrors.CA_FILE({ path, reason: (error as NodeJS.ErrnoException).code }, error);
  }
}

/** Flies the drones; resolves when their outbox is open and the first connections are under way. */
export async function startEdge(config: EdgeConfig, deps: EdgeDeps): Promise<Edge> {
  const { logger, metrics, mqttUrl, now = Date.now } = deps;
  const drones = droneIds(config).map(droneId => {
    const credential = deps.credentials.get(droneId);
    if (credential === undefined) throw edgeErrors.NO_PASSWORD({ droneId });
    return { droneId, ...credential };
  });
  const ca = readAuthority(config.MQTT_CA_FILE);
  const world = loadWorld();
  const outbox = openOutbox(outboxPath(config), {
    maxBytes: config.EDGE_OUTBOX_MAX_BYTES,
    onDamaged({ droneId, kind, imageId, place }, error) {
      logger.error(
        { droneId, kind, imageId, file: place.file, error },
        'a picture is lost, and maybe others of its file',
      );
    },
  });
  const fleet = createFleet({
    logger,
    outbox,
    now,
    imageWidthPx: config.EDGE_IMAGE_WIDTH_PX,
    frames: {
      frameBytes: config.EDGE_FRAME_BYTES,
      bytesPerDay: config.EDGE_FRAME_BYTES_PER_DAY,
      telemetryIntervalMs: config.EDGE_TELEMETRY_INTERVAL_MS,
    },
    failed: error => life.failed(error),
  });

  let flown: readonly DroneOutbox[] = [];

  function fly(): void {
    const startMs = now();
    flown = outbox.addDrones(drones);
    flown.forEach((mine, index) => {
      const { droneId, password } = drones[index]!;
      const drone = createDrone(
        {
          droneId,
          seed: config.EDGE_SEED,
          startMs,
          telemetryIntervalMs: config.EDGE_TELEMETRY_INTERVAL_MS,
          violationsPerHour: mine.settings.violationsPerHour ?? config.EDGE_VIOLATIONS_PER_HOUR,
          unqualifiedPct: config.EDGE_UNQUALIFIED_PCT,
          showsOneSoon: index === 0,
        },
        world,
        patrolArea(world, config.EDGE_SEED, index),
      );
      drone.ordered = mine.settings.ordered;
      fleet.add(drone, mine, { url: mqttUrl, ca, password, inFlightMax: config.EDGE_INFLIGHT_MAX });
    });
    fleet.tick(startMs);
  }

  async function checkDisk(): Promise<void> {
    const { bavail, bsize } = await statfs(config.DATA_DIR);
    const freeBytes = bavail * bsize;
    const low = freeBytes < config.EDGE_DISK_RESERVE_BYTES * (fleet.grounded ? reserveAgain : 1);
    if (low === fleet.grounded) return;
    fleet.grounded = low;
    const fields = { freeBytes, reserveBytes: config.EDGE_DISK_RESERVE_BYTES };
    if (low) logger.warn(fields, 'the fleet holds, the disk is below EDGE_DISK_RESERVE_BYTES');
    else logger.info(fields, 'the fleet goes on, the disk has room again');
  }

  try {
    await checkDisk();
    fly();
  } catch (error) {
    await fleet.stop(0);
    outbox.close();
    throw error;
  }

  const tickMs = Math.min(tickMaxMs, Math.max(tickMinMs, config.EDGE_TELEMETRY_INTERVAL_MS / 2));
  const storeMs = Math.min(storeMaxMs, config.EDGE_TELEMETRY_INTERVAL_MS);
  let ticks = 0;
  let ticking = setTimeout(tick, tickMinMs);
  function tick(): void {
    try {
      fleet.tick(now(), ticks < quickTicks ? 0 : storeMs);
    } catch (error) {
      life.failed(error as Error);
      return;
    }
    ticking = setTimeout(tick, ++ticks < quickTicks ? tickMinMs : tickMs);
  }
  const checkingDisk = setInterval(() => checkDisk().catch(life.failed), diskCheckMs);
  const life = serviceLife(async () => {
    clearTimeout(ticking);
    clearInterval(checkingDisk);
    try {
      await fleet.stop(drainMs);
    } finally {
      outbox.close();
    }
    logger.info({ ...counts() }, 'edge stopped');
  });

  const counts = (): EdgeCounts => {
    const { made, acknowledged, refused, waiting, waitingBytes } = outbox.counts();
    const { drones, online, held } = fleet.counts();
    const lost = made - acknowledged - waiting;
    return { drones, online, made, acknowledged, refused, waiting, waitingBytes, lost, held };
  };

  const whyHeld = () =>
    fleet.grounded
      ? 'the disk is below EDGE_DISK_RESERVE_BYTES'
      : 'the outbox is at EDGE_OUTBOX_MAX_BYTES, or its disk is full';

  function health(): Health {
    const { drones, online, held } = counts();
    const problems: string[] = [];
    if (held > 0) problems.push(`${held} of ${drones} drones hold, ${whyHeld()}`);
    if (drones > 0 && online === 0) problems.push(`no drone reaches the broker at ${mqttUrl}`);
    const problem = problems.length === 0 ? undefined : problems.join('; ');
    return { ok: problem === undefined, ...(problem === undefined ? {} : { problem }), detail: { ...counts() } };
  }

  registerMetrics(metrics, counts, fleet, flown);
  logger.info({ outbox: outbox.path, mqttUrl, ...counts() }, 'edge started');
  const stranded = outbox.waitingOfOthers();
  if (stranded > 0) logger.warn({ messages: stranded }, 'messages wait of drones that are not flown now');
  return { name: 'edge', closed: life.closed, stop: life.stop, health, counts };
}

function registerMetrics(
  { counter, gauge }: Metrics,
  counts: () => EdgeCounts,
  fleet: Fleet,
  flown: readonly DroneOutbox[],
): void {
  gauge('prestacop_edge_drones', 'Drones flown by this process.', () => counts().drones);
  gauge('prestacop_edge_drones_online', 'Drones connected to the broker.', () => counts().online);
  gauge('prestacop_edge_drones_held', 'Drones that hold for want of room.', () => counts().held);
  gauge('prestacop_edge_messages_waiting', 'Messages and pictures in the outbox.', () => counts().waiting);
  gauge('prestacop_edge_waiting_bytes', 'The same in bytes.', () => counts().waitingBytes);
  counter('prestacop_edge_messages_made_total', 'Messages and pictures stored.', () => counts().made);
  counter('prestacop_edge_messages_acknowledged_total', 'Those with a PUBACK.', () => counts().acknowledged);
  const kinds = Object.keys(flown[0]?.refused ?? {}) as Kind[];
  counter('prestacop_edge_messages_refused_total', 'Those of its drones that found no room.', () =>
    kinds.map(kind => [{ kind }, flown.reduce((total, { refused }) => total + refused[kind], 0)]),
  );
  counter(
    'prestacop_edge_pictures_lost_total',
    'Pictures that the disk lost before their PUBACK.',
    () => counts().lost,
  );
  counter(
    'prestacop_edge_commands_malformed_total',
    'Commands that no drone could read.',
    () => fleet.counts().malformedCommands,
  );
  counter(
    'prestacop_edge_violations_unseen_total',
    'Violations that came while too many pictures waited to be made.',
    () => fleet.counts().unseen,
  );
}
