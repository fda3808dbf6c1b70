import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { DroneAccounts, parseDroneAccount } from '../core/accounts.ts';
import type { Config } from '../core/config.ts';
import type { DroneConnection } from '../core/connection.ts';
import type { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logging.ts';
import type { Metrics } from '../core/metrics.ts';
import { type Service, serviceLife } from '../core/service.ts';
import type { EventLog } from '../log/event-log.ts';
import { markRecord } from '../log/record.ts';
import { createJudge, type Judge } from './acceptance.ts';
import type { Adapter } from './adapters/adapter.ts';
import { parseAdapters } from './adapters/by-fleet.ts';
import { follow } from './follower.ts';
import { FrameReserve } from './frame-reserve.ts';
import { createLane, type Done, laneErrors, type Sender } from './lane.ts';
import { type OpenCommand, OpenCommands } from './open-commands.ts';
import { Presence } from './presence.ts';
import { type RejectionReason, rejectionReasons } from './rejections.ts';

export type BridgeConfig = Pick<
  Config,
  'BRIDGE_APPEND_TIMEOUT_MS' | 'BRIDGE_ADAPTERS' | 'BROKER_NODE' | 'BROKER_KEEPALIVE_MAX_SECONDS' | 'LOG_RESERVE_BYTES'
>;

export interface BridgeDeps {
  log: EventLog;
  logger: Logger;
  metrics: Metrics;
  /** Sends to a drone that is connected to this node; false when it is not. */
  deliver(droneId: string, topic: string, payload: Uint8Array): boolean;
  /** Ends a connection of this node by its id; a newer one of the same drone was seen (B7). */
  closeConnection(connectionId: string): void;
  /** Ends a drone's connection: it was revoked or has a new password. */
  closeDrone(droneId: string): void;
  /** Free space on the log's disk; absent where the log is on no disk of ours. */
  freeBytes?(): Promise<number>;
}

export interface BridgeCounts {
  received: number;
  accepted: number;
  rejected: number;
  failed: number;
  waiting: number;
}

/** Everything between broker and log. The functions are what `main.ts` hands to the broker. */
export interface Bridge extends Service {
  beforeAck(topic: string, payload: Uint8Array, connection: DroneConnection, done: Done): void;
  accepting(): boolean;
  authenticate(droneId: string, password: Uint8Array): { fleet: string } | undefined;
  subscribed(connection: DroneConnection): void;
  /** Drones online anywhere, by the stream `state`. */
  online(): number;
  counts(): BridgeCounts;
}

/** While one of these cannot be written, no drone may connect (B6). */
const vitalStreams = ['telemetry', 'violation'];
const probeIntervalMs = 1000;
/** How often a command without an answer is sent again to a drone that stays connected. */
const resendIntervalMs = 30_000;
const diskCheckMs = 2000;

interface Peer extends Sender {
  judge: Judge;
  heardAtMs: number;
}

/** Resolves once the accounts are folded to their present end, so that the first CONNECT is judged by all of them. */
export async function startBridge(config: BridgeConfig, deps: BridgeDeps): Promise<Bridge> {
  const { log, logger, metrics, deliver } = deps;
  const node = config.BROKER_NODE ?? nodeName(hostname());
  const adapters = parseAdapters(config.BRIDGE_ADAPTERS);
  const abort = new AbortController();
  const accounts = new DroneAccounts();
  const commands = new OpenCommands();
  const keepAliveMs = config.BROKER_KEEPALIVE_MAX_SECONDS * 1000;
  const presence = new Presence(keepAliveMs);
  const failing = new Map<string, AppError>();
  const rejections = new Map<RejectionReason, number>();
  const peers = new WeakMap<DroneConnection, Peer>();
  const counts = { received: 0, rejected: 0 };

  const lane = createLane({
    append: (stream, records) => log.append(stream, records),
    timeoutMs: config.BRIDGE_APPEND_TIMEOUT_MS,
    onSettled(stream, error) {
      if (error === undefined) {
        if (failing.delete(stream)) logger.info({ stream }, 'log takes records again');
      } else {
        if (!failing.has(stream)) logger.error({ stream, error }, 'log does not take records');
        failing.set(stream, error);
      }
    },
  });

  const reserve =
    deps.freeBytes &&
    new FrameReserve({
      reserveBytes: config.LOG_RESERVE_BYTES,
      freeBytes: deps.freeBytes,
      append: record => log.append('command', [record]),
      logger,
    });

  function peerOf(connection: DroneConnection): Peer {
    let peer = peers.get(connection);
    if (peer === undefined) {
      const adapter: Adapter | undefined = adapters.get(connection.fleet);
      peer = { failed: false, heardAtMs: 0, judge: createJudge({ node, connection: connection.id }, adapter) };
      peers.set(connection, peer);
    }
    return peer;
  }

  function send(command: OpenCommand): void {
    if (command.expiresAtMs > Date.now()) deliver(command.droneId, command.topic, command.payload);
  }

  const { closed, failed, stop } = serviceLife(async () => {
    clearInterval(resending);
    clearInterval(checkingDisk);
    await lane.idle();
    abort.abort();
    await Promise.all(loops);
  });

  async function probe(): Promise<void> {
    while (!abort.signal.aborted) {
      await wait(probeIntervalMs, undefined, { signal: abort.signal, ref: false }).catch(() => {});
      for (const stream of failing.keys()) {
        if (lane.stuck() || abort.signal.aborted) break;
        try {
          for (const { partition } of await log.ends(stream))
            await log.append(stream, [markRecord('bridge')], partition);
          if (failing.delete(stream)) logger.info({ stream }, 'log takes records again');
        } catch (error) {
          failing.set(stream, error as AppError);
        }
      }
    }
  }

  const { signal } = abort;
  const startFollowers = async () => [
    await follow(log, 'account', {
      from: 'start',
      signal,
      apply({ records }) {
        for (const { payload } of records) {
          const fact = parseDroneAccount(payload);
          const ended = fact === undefined ? undefined : accounts.apply(fact);
          if (ended !== undefined) deps.closeDrone(ended);
        }
      },
    }),
    await follow(log, 'command', {
      from: 'start',
      signal,
      apply({ records }) {
        for (const record of records) {
          reserve?.apply(record);
          const opened = commands.apply(record);
          if (opened !== undefined) send(opened);
        }
      },
    }),
    await follow(log, 'state', {
      from: 'end',
      signal,
      apply({ records }) {
        for (const record of records) {
          const obsolete = presence.apply(record);
          if (obsolete !== undefined) deps.closeConnection(obsolete);
        }
      },
    }),
  ];

  const followers = await startFollowers().catch(error => {
    abort.abort();
    throw error;
  });

  await reserve?.check(Date.now());
  const checkingDisk = setInterval(() => reserve?.check(Date.now()), diskCheckMs).unref();
  const resending = setInterval(() => {
    for (const command of commands.all(Date.now())) send(command);
  }, resendIntervalMs).unref();
  const loops = [probe(), ...followers.map(({ ended }) => ended.catch(failed))];

  metrics.counter('prestacop_bridge_received_total', 'Messages handed over by the broker.', () => counts.received);
  metrics.counter(
    'prestacop_bridge_accepted_total',
    'Messages durable in their own stream or in rejected.',
    () => lane.counts().stored,
  );
  metrics.counter(
    'prestacop_bridge_failed_total',
    'Messages the log did not take; the drone sends them again.',
    () => lane.counts().failed,
  );
  metrics.gauge('prestacop_bridge_drones_online', 'Drones online at any node, by the stream state.', () =>
    presence.online(Date.now()),
  );
  metrics.gauge(
    'prestacop_bridge_in_flight',
    'Messages waiting for the log.',
    () => lane.counts().waiting + lane.counts().inFlight,
  );
  metrics.gauge(
    'prestacop_bridge_frames_off',
    'Drones told to make no frames for want of disk (LOG_RESERVE_BYTES).',
    () => reserve?.detail().framesOff ?? 0,
  );
  metrics.counter('prestacop_bridge_rejected_total', 'Messages sent to the stream rejected.', () =>
    (Object.keys(rejectionReasons) as RejectionReason[]).map(reason => [{ reason }, rejections.get(reason) ?? 0]),
  );

  return {
    name: 'bridge',
    closed,
    stop,
    beforeAck(topic, payload, connection, done) {
      counts.received++;
      const peer = peerOf(connection);
      const nowMs = Date.now();
      // Presence waits for three keep-alives: of a drone that sends all the time one word in each is enough.
      if (nowMs - peer.heardAtMs > keepAliveMs) {
        peer.heardAtMs = nowMs;
        presence.heard(connection.droneId, nowMs);
      }
      const { stream, headers, reason } = peer.judge(topic, payload as Buffer, nowMs);
      if (reason !== undefined) {
        counts.rejected++;
        rejections.set(reason, (rejections.get(reason) ?? 0) + 1);
      }
      if (stream === 'frame' && reserve?.admits(connection, nowMs) === false) {
        peer.failed = true;
        done(laneErrors.RESERVED());
        return;
      }
      lane.push(stream, connection.droneId, headers, payload, peer, done);
    },
    accepting: () => !abort.signal.aborted && !lane.stuck() && !vitalStreams.some(stream => failing.has(stream)),
    authenticate: (droneId, password) => accounts.authenticate(droneId, password),
    subscribed(connection) {
      for (const command of commands.of(connection.droneId, Date.now())) send(command);
    },
    online: () => presence.online(Date.now()),
    counts() {
      const { waiting, inFlight, stored, failed } = lane.counts();
      return { ...counts, accepted: stored, failed, waiting: waiting + inFlight };
    },
    health() {
      const { stored: accepted, ...ofLane } = lane.counts();
      const detail = {
        ...counts,
        accepted,
        ...ofLane,
        drones: accounts.size,
        online: presence.online(Date.now()),
        openCommands: commands.all(Date.now()).length,
        ...reserve?.detail(),
      };
      const first = failing.entries().next().value;
      if (lane.stuck()) return { ok: false, problem: 'An append is older than BRIDGE_APPEND_TIMEOUT_MS', detail };
      if (first === undefined) {
        const notice = reserve?.notice();
        return { ok: true, ...(notice === undefined ? {} : { problem: notice }), detail };
      }
      const [stream, { message, cause }] = first;
      const why = cause instanceof Error ? cause.message : message;
      return { ok: false, problem: `The log does not take ${stream}: ${why}`, detail };
    },
  };
}

/** A host name as a node name: lower case, other characters as hyphens, at most 32. */
function nodeName(host: string): string {
  return (
    host
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+/, '')
      .slice(0, 32) || 'node'
  );
}
