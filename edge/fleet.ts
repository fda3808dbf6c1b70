import type { Logger } from '../core/logging.ts';
import { type CameraDeps, createCamera } from './camera.ts';
import { obey, parseCommand } from './commands.ts';
import { type Connection, type ConnectionOptions, createConnection } from './connection.ts';
import type { Drone } from './drone.ts';
import { createFrames, type FramesOptions } from './frames.ts';
import type { Outbox } from './outbox.ts';
import type { DroneOutbox } from './outbox-drone.ts';
import type { Entry } from './outbox-entry.ts';
import { encodeState } from './state.ts';

/** One drone with everything that belongs to it. */
interface Member {
  drone: Drone;
  mine: DroneOutbox;
  connection: Connection;
  commands: Uint8Array[];
  /** Commands whose answer waits for a picture. */
  obeying: Set<string>;
}

export interface FleetCounts {
  drones: number;
  online: number;
  /** Drones that hold because the outbox or the disk has no room. */
  held: number;
  malformedCommands: number;
  /** Violations that came while the camera had too many pictures to make. */
  unseen: number;
}

/** All drones of the process: one loop makes, stores and sends for all of them. */
export interface Fleet {
  add(drone: Drone, mine: DroneOutbox, connection: Omit<ConnectionOptions, 'droneId' | 'fleet'>): void;
  /**
   * Makes everything that is due at `nowMs`, stores it in one transaction, and sends. Telemetry waits until `storeEveryMs`
   * have gone since the transaction before, so that one serves more of it; nothing else does.
   */
  tick(nowMs: number, storeEveryMs?: number): void;
  /** While set, nothing is made: the disk is below its reserve. */
  grounded: boolean;
  counts(): FleetCounts;
  /** Sees nothing more, gives what it saw `drainMs` to be stored and acknowledged, says goodbye. */
  stop(drainMs: number): Promise<void>;
}

export interface FleetDeps {
  logger: Logger;
  outbox: Outbox;
  now: () => number;
  imageWidthPx: number;
  frames: FramesOptions;
  /** The fleet cannot go on. */
  failed: CameraDeps['failed'];
}

/** Commands of one drone not yet obeyed; more are left to the ground to send again. */
const commandsMax = 64;
const goodbyeMs = 1000;

export function createFleet(deps: FleetDeps): Fleet {
  const { logger, outbox, now, failed } = deps;
  const members = new Map<DroneOutbox, Member>();
  const handshakes = { open: 0 };
  const frames = createFrames(deps.frames, { outbox, logger, failed });
  const camera = createCamera(deps.imageWidthPx, { logger, files: outbox.files, frames, ready: storeNow, failed });
  /** Made, and not stored yet. */
  let entries: Entry[] = [];
  let storedAtMs = Number.NEGATIVE_INFINITY;
  let [malformedCommands, unseen] = [0, 0];
  let lastFailure: Error | undefined;
  let reachable = true;
  let acknowledged = () => {};

  /** What a drone says at once goes to `entries`; what needs a picture to the camera. True when something is urgent. */
  function listen(member: Member, nowMs: number): boolean {
    const { drone, mine, obeying } = member;
    for (const draft of fleet.grounded ? [] : drone.advance(nowMs)) {
      if (draft.scene === undefined) entries.push({ drone: mine, draft });
      else if (!camera.photograph({ drone: mine, draft })) unseen++;
    }
    const commands = member.commands.splice(0);
    for (const payload of commands) {
      const command = parseCommand(payload, drone.droneId);
      if (command === undefined) malformedCommands++;
      // The ack of the first copy answers the second, which the outbox cannot recognise before it has stored that.
      if (command === undefined || obeying.has(command.commandId)) continue;
      obeying.add(command.commandId);
      const { ack, photograph } = obey(command, nowMs, drone, mine, outbox);
      if (photograph === undefined) entries.push({ drone: mine, draft: ack });
      else if (!camera.photograph({ drone: mine, draft: photograph, ack })) obeying.delete(command.commandId);
    }
    return commands.length > 0;
  }

  /** Stores everything that is ready in one transaction, and sends. */
  function storeNow(): void {
    storedAtMs = performance.now();
    const ready = [...camera.ready(), ...entries];
    entries = [];
    const stored = ready.map(entry =>
      entry.draft.kind === 'telemetry' ? { ...entry, pictures: frames?.unlisted(entry.drone) ?? [] } : entry,
    );
    hold(outbox.write(stored));
    for (const { drone, draft, ack } of stored) {
      const { done } = ack ?? draft;
      if (done !== undefined) members.get(drone)!.obeying.delete(done.commandId);
    }
    for (const { connection } of members.values()) connection.pump();
  }

  /** A drone whose violation found no room holds until there is some again. */
  function hold(refused: readonly Entry[]): void {
    const full = new Set(refused.filter(({ draft }) => draft.kind === 'violation').map(({ drone }) => drone));
    const all = [...members.values()];
    const begin = all.filter(({ drone, mine }) => full.has(mine) && !drone.full);
    const end =
      outbox.hasRoom() && camera.canWrite ? all.filter(({ drone, mine }) => drone.full && !full.has(mine)) : [];
    for (const { drone, connection } of [...begin, ...end]) {
      drone.full = !drone.full;
      connection.stateChanged();
    }
    const fields = ([first, ...more]: Member[]) => ({
      droneId: first?.mine.droneId,
      andOthers: more.length,
      ...outbox.counts(),
    });
    if (begin.length > 0) logger.warn(fields(begin), 'drones hold, a violation found no room in the outbox');
    if (end.length > 0) logger.info(fields(end), 'drones go on, the outbox has room again');
  }

  function tellReachable(): void {
    const online = [...members.values()].some(({ connection }) => connection.online);
    if (!online && reachable && lastFailure !== undefined) {
      logger.warn({ error: lastFailure }, 'no drone reaches the broker, messages wait in the outbox');
      reachable = false;
    } else if (online && !reachable) {
      logger.info({ ...outbox.counts() }, 'drones reach the broker again');
      reachable = true;
    }
  }

  const fleet: Fleet = {
    grounded: false,
    add(drone, mine, options) {
      const { droneId, fleet: fleetName } = mine;
      const commands: Uint8Array[] = [];
      const connection = createConnection(
        { ...options, droneId, fleet: fleetName },
        {
          logger,
          handshakes,
          take: () => outbox.take(mine),
          acknowledged(message) {
            outbox.acknowledged(mine, message);
            acknowledged();
          },
          failed(error) {
            lastFailure = error;
          },
          lost: () => outbox.lostConnection(mine),
          state: status => encodeState(status, drone.clockMs(now()), mine, outbox),
          command(payload) {
            if (commands.length < commandsMax) commands.push(payload);
          },
        },
      );
      members.set(mine, { drone, mine, connection, commands, obeying: new Set() });
    },
    tick(nowMs, storeEveryMs = 0) {
      let urgent = false;
      for (const member of members.values()) {
        const { drone, mine } = member;
        urgent = listen(member, nowMs) || urgent;
        if (fleet.grounded || mine.settings.frames === false) frames?.rest(mine);
        else frames?.patrol(mine, nowMs, drone.clockMs);
      }
      camera.develop();
      const steadyMs = performance.now();
      if (urgent || steadyMs - storedAtMs >= storeEveryMs) storeNow();
      for (const { drone, connection } of members.values()) {
        connection.setLink(fleet.grounded || drone.flight.outageMs === 0);
        connection.tick(steadyMs);
        connection.pump();
      }
      tellReachable();
    },
    counts() {
      const all = [...members.values()];
      return {
        drones: all.length,
        online: all.filter(({ connection }) => connection.online).length,
        held: all.filter(({ drone }) => fleet.grounded || drone.full).length,
        malformedCommands,
        unseen,
      };
    },
    async stop(drainMs) {
      const endMs = performance.now() + drainMs;
      await within(drainMs, camera.idle());
      await camera.close();
      storeNow();
      await drained(endMs - performance.now());
      outbox.write([]); // so that the last state counts only what waits
      await Promise.all([...members.values()].map(({ connection }) => connection.close(goodbyeMs)));
      outbox.write([]);
    },
  };

  /** Resolves when every message of these drones is acknowledged, none of them is connected, or `drainMs` are over. */
  async function drained(drainMs: number): Promise<void> {
    outbox.write([]);
    const all = [...members.values()];
    let waiting = all.reduce((sum, { mine }) => sum + outbox.backlog(mine).messages, 0);
    if (waiting === 0 || !all.some(({ connection }) => connection.online)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    acknowledged = () => {
      if (--waiting === 0) resolve();
    };
    for (const { connection } of all) connection.pump();
    await within(drainMs, promise);
  }

  return fleet;
}

async function within(deadlineMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>(resolve => {
    timer = setTimeout(resolve, deadlineMs);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
