import type { Logger } from '../core/logging.ts';
import type { State } from '../core/messages.ts';
import { obey, parseCommand } from './commands.ts';
import { type Connection, type ConnectionOptions, createConnection } from './connection.ts';
import { type Drone, firmware } from './drone.ts';
import { type DroneOutbox, type Entry, type Outbox, sendingOrder } from './outbox.ts';

/** One drone with everything that belongs to it. */
interface Member {
  drone: Drone;
  mine: DroneOutbox;
  connection: Connection;
  commands: Uint8Array[];
}

export interface FleetCounts {
  drones: number;
  online: number;
  /** Drones that hold because the outbox or the disk has no room. */
  held: number;
  malformedCommands: number;
}

/** All drones of the process: one loop makes, stores and sends for all of them. */
export interface Fleet {
  add(drone: Drone, mine: DroneOutbox, connection: Omit<ConnectionOptions, 'droneId' | 'fleet'>): void;
  /** Everything that is due at `nowMs`, stored in one transaction, then sent. */
  tick(nowMs: number): void;
  /** While set, nothing is made: the disk is below its reserve. */
  grounded: boolean;
  counts(): FleetCounts;
  /** Makes nothing more, gives what is stored `drainMs` to be acknowledged, says goodbye. */
  stop(drainMs: number): Promise<void>;
}

export interface FleetDeps {
  logger: Logger;
  outbox: Outbox;
  now: () => number;
}

/** Commands of one drone not yet obeyed; more are left to the ground to send again. */
const commandsMax = 64;
const goodbyeMs = 1000;

export function createFleet({ logger, outbox, now }: FleetDeps): Fleet {
  const members: Member[] = [];
  const handshakes = { open: 0 };
  let malformedCommands = 0;
  let lastFailure: Error | undefined;
  let reachable = true;
  let acknowledged = () => {};

  function stateOf({ drone, mine }: Pick<Member, 'drone' | 'mine'>, status: State['status']): Buffer {
    const { droneId, fleet, epoch, lanes } = mine;
    const { messages, bytes } = outbox.backlog(mine);
    const kinds: State['kinds'] = {};
    for (const kind of sendingOrder) {
      const lowestUnacknowledged = outbox.lowestUnacknowledged(mine, kind);
      kinds[kind] = { made: lanes[kind].made, lowestUnacknowledged, refused: lanes[kind].refused };
    }
    const observedAtMs = drone.clockMs(now());
    const state = {
      v: 1,
      droneId,
      fleet,
      epoch,
      observedAtMs,
      status,
      firmware,
      backlogMessages: messages,
      backlogBytes: bytes,
      kinds,
    } satisfies State;
    return Buffer.from(JSON.stringify(state));
  }

  function draftsOf(member: Member, nowMs: number): Entry[] {
    const { drone, mine } = member;
    const drafts = fleet.grounded ? [] : drone.advance(nowMs);
    const obeyed = new Set<string>();
    for (const payload of member.commands.splice(0)) {
      const command = parseCommand(payload, drone.droneId);
      if (command === undefined) malformedCommands++;
      // The ack of the first copy answers the second, which the outbox cannot recognise before it has stored that.
      else if (!obeyed.has(command.commandId)) drafts.push(...obey(command, nowMs, drone, mine, outbox));
      if (command !== undefined) obeyed.add(command.commandId);
    }
    return drafts.map(draft => ({ drone: mine, draft }));
  }

  /** A drone whose violation found no room holds until there is some again. */
  function hold(refused: readonly Entry[]): void {
    const full = new Set(refused.filter(({ draft }) => draft.kind === 'violation').map(({ drone }) => drone));
    const begin = members.filter(({ drone, mine }) => full.has(mine) && !drone.full);
    const end = outbox.hasRoom() ? members.filter(({ drone, mine }) => drone.full && !full.has(mine)) : [];
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
    const online = members.some(({ connection }) => connection.online);
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
      const member: Omit<Member, 'connection'> = { drone, mine, commands: [] };
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
          state: status => stateOf(member, status),
          command(payload) {
            if (member.commands.length < commandsMax) member.commands.push(payload);
          },
        },
      );
      members.push({ ...member, connection });
    },
    tick(nowMs) {
      hold(outbox.write(members.flatMap(member => draftsOf(member, nowMs))));
      const steadyMs = performance.now();
      for (const { drone, connection } of members) {
        connection.setLink(fleet.grounded || drone.flight.outageMs === 0);
        connection.tick(steadyMs);
        connection.pump();
      }
      tellReachable();
    },
    counts: () => ({
      drones: members.length,
      online: members.filter(({ connection }) => connection.online).length,
      held: members.filter(({ drone }) => fleet.grounded || drone.full).length,
      malformedCommands,
    }),
    async stop(drainMs) {
      await drained(drainMs);
      await Promise.all(members.map(({ connection }) => connection.close(goodbyeMs)));
      outbox.write([]);
    },
  };

  /** Resolves when every message of these drones is acknowledged, none of them is connected, or `drainMs` are over. */
  async function drained(drainMs: number): Promise<void> {
    outbox.write([]);
    let waiting = members.reduce((sum, { mine }) => sum + outbox.backlog(mine).messages, 0);
    if (waiting === 0 || !members.some(({ connection }) => connection.online)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, drainMs);
    acknowledged = () => {
      if (--waiting === 0) resolve();
    };
    for (const { connection } of members) connection.pump();
    await promise;
    clearTimeout(timer);
  }

  return fleet;
}
