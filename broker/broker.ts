import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Config } from '../core/config.ts';
import type { DroneConnection } from '../core/connection.ts';
import type { AppError } from '../core/errors.ts';
import { newUlid } from '../core/ids.ts';
import type { Logger } from '../core/logging.ts';
import type { Metrics } from '../core/metrics.ts';
import { type Service, serviceLife } from '../core/service.ts';
import { type ConnectRequest, type Grant, grantFor, judgeConnect, mayPublish, maySubscribe } from './access.ts';
import { Budget } from './budget.ts';
import { type ClosedReason, createClosings } from './closings.ts';
import { exposeCounts, newCounts } from './counts.ts';
import { type AuthenticateError, type Client, DroneAedes, type PublishPacket } from './drone-aedes.ts';
import { Guard } from './guard.ts';
import { type ListenerConfig, openListeners } from './listeners.ts';
import type { Publish } from './publish-packet.ts';

export type BrokerConfig = ListenerConfig &
  Pick<
    Config,
    | 'BROKER_KEEPALIVE_MAX_SECONDS'
    | 'BROKER_STALL_TIMEOUT_MS'
    | 'BROKER_UNACKED_MAX_PACKETS'
    | 'BROKER_UNACKED_MAX_BYTES'
    | 'BROKER_UNACKED_TOTAL_MAX_BYTES'
  >;

export interface BrokerDeps {
  logger: Logger;
  metrics: Metrics;
  /**
   * Called at once and in order of arrival (B1) for every publish that the access rules allow, whatever its QoS, and for
   * wills, which may come after `disconnected`. `done()` means durable: PUBACK. `done(error)` closes the connection.
   */
  beforeAck(topic: string, payload: Uint8Array, connection: DroneConnection, done: (error?: AppError) => void): void;
  /** False: CONNECT is answered "server unavailable" (B6). */
  accepting(): boolean;
  authenticate(droneId: string, password: Uint8Array): { fleet: string } | undefined;
  /** The CONNECT was accepted. */
  connected(connection: DroneConnection): void;
  /** The drone has subscribed to its commands (B8). */
  subscribed(connection: DroneConnection): void;
  /** Once for each `connected`. */
  disconnected(connection: DroneConnection): void;
}

export interface Broker extends Service {
  readonly ports: { mqtt: number; ws?: number; tls?: number };
  /** As URLs, for the terminal. */
  readonly addresses: readonly string[];
  /** Drones connected now. */
  connections(): number;
  /**
   * Sends to a drone's command topic at QoS 1, or 0 where it subscribed so. False when the drone is not connected here,
   * has not subscribed, or does not read what it was sent. True promises nothing: only the drone's `ack` does.
   */
  deliver(droneId: string, topic: string, payload: Uint8Array): boolean;
  /** Ends a connection: of an older session (B7), or one whose record failed (B2). */
  close(connection: Pick<DroneConnection, 'id'>): void;
  /** Ends the connection of a drone that was revoked. */
  closeDrone(droneId: string): void;
}

interface Session extends Grant {
  guard: Guard;
  client: Client;
  announced: boolean;
}

/** What Aedes keeps on its client and its types leave out. */
interface ClientState {
  _disconnected: boolean;
  _keepaliveTimer: NodeJS.Timeout | null;
  subscriptions: Record<string, unknown>;
}

/** How long `stop()` waits for messages in flight before it closes their connections without PUBACK. */
const stopGraceMs = 2000;
const unsentMaxBytes = 256 * 1024;
/** QoS 2 messages of a connection between PUBREC and PUBREL; drones use QoS 1. */
const inboundQos2Max = 100;
const reasonByAedesError: Readonly<Record<string, ClosedReason>> = {
  'keep alive timeout': 'keepalive',
  'connect did not arrive in time': 'connect-timeout',
  'drain timeout': 'not-reading',
};
const noBytes = Buffer.alloc(0);

/** Resolves when every listener is open. */
export async function startBroker(config: BrokerConfig, deps: BrokerDeps): Promise<Broker> {
  const { logger } = deps;
  const limits = {
    packetMaxBytes: config.BROKER_PACKET_MAX_BYTES,
    unackedMaxPackets: config.BROKER_UNACKED_MAX_PACKETS,
    unackedMaxBytes: config.BROKER_UNACKED_MAX_BYTES,
    stallTimeoutMs: config.BROKER_STALL_TIMEOUT_MS,
  };
  const budget = new Budget(config.BROKER_UNACKED_TOTAL_MAX_BYTES);
  const closings = createClosings(logger);
  const guards = new Set<Guard>();
  const requests = new WeakMap<Client, ConnectRequest>();
  const sessions = new WeakMap<Client, Session>();
  const byDrone = new Map<string, Session>();
  const counts = newCounts();
  let stopping = false;
  let newestConnectionMs = 0;
  const rules = {
    keepaliveMaxSeconds: config.BROKER_KEEPALIVE_MAX_SECONDS,
    accepting: () => deps.accepting(),
    authenticate: (droneId: string, password: Uint8Array) => deps.authenticate(droneId, password),
  };

  const aedes = new DroneAedes({
    connectTimeout: config.BROKER_CONNECT_TIMEOUT_MS,
    maxInflightInbound: inboundQos2Max,
    preConnect(client, packet, callback) {
      const { clientId, username, password, keepalive, will } = packet;
      requests.set(client, {
        clientId,
        username,
        password: typeof password === 'string' ? Buffer.from(password) : password,
        keepaliveSeconds: keepalive ?? 0,
        willTopic: will?.topic,
      });
      // Sessions that outlive their connection are not kept, and CONNACK says so (session present 0): commands come from
      // the log (B8), and a drone sends again by itself what has no PUBACK (D3). So nothing grows with absent drones.
      packet.clean = true;
      callback(null, true);
    },
    authenticate(client, _username, _password, callback) {
      const request = requests.get(client);
      if (request === undefined || client.closed) return;
      const verdict = judgeConnect(request, rules);
      if (typeof verdict === 'number') {
        guardOf(client).reason ??= 'refused';
        callback(Object.assign(new Error('CONNECT refused'), { returnCode: verdict }) as AuthenticateError, null);
        return;
      }
      newestConnectionMs = Math.max(Date.now(), newestConnectionMs + 1); // so that the newer id is the greater one
      const connection = { id: newUlid(newestConnectionMs), fleet: verdict.fleet, droneId: request.clientId };
      byDrone.get(connection.droneId)?.guard.close('taken-over');
      const session = { ...grantFor(connection), guard: guardOf(client), client, announced: false };
      sessions.set(client, session);
      byDrone.set(connection.droneId, session);
      callback(null, true);
    },
    authorizePublish(client, packet, callback) {
      const session = client === null ? undefined : sessions.get(client);
      if (session === undefined) callback(null);
      else if (packet.cmd === 'publish') takePacket(session, packet, callback);
      else takeWill(session, packet, callback);
    },
    authorizeSubscribe(client, subscription, callback) {
      const session = sessions.get(client);
      callback(null, session !== undefined && maySubscribe(session, subscription.topic) ? subscription : null);
    },
  });

  /** What the guard took past Aedes. Aedes does not see that the drone is alive, so its keep-alive is begun anew here. */
  function takePublish(session: Session, publish: Publish): void {
    const { guard, client } = session;
    (client as unknown as ClientState)._keepaliveTimer?.refresh();
    const { topic, payload, length, packetId } = publish;
    takeMessage(session, topic, payload, length, () => guard.acknowledge(packetId));
  }

  function takePacket(session: Session, packet: PublishPacket, callback: (error?: Error | null) => void): void {
    takeMessage(session, packet.topic, packet.payload as Buffer, packet.length!, () => {
      if (packet.qos === 2) packet.payload = noBytes; // Aedes stores the packet until PUBREL, and needs its id only
      callback(null);
    });
  }

  /** `answer` is called once the message is durable, while the connection lives. */
  function takeMessage(session: Session, topic: string, payload: Buffer, length: number, answer: () => void): void {
    const { guard, connection } = session;
    if (guard.destroyed) return;
    if (!mayPublish(session, topic)) {
      counts.forbidden++;
      guard.close('forbidden-topic');
      return;
    }
    counts.received++;
    deps.beforeAck(topic, payload, connection, error => {
      if (error === undefined) counts.acknowledged++;
      else counts.failed++;
      if (guard.destroyed) return; // Aedes would make an error of every late answer
      if (error !== undefined) {
        guard.close('append-failed');
        return;
      }
      guard.acked(length);
      answer();
    });
  }

  /** Its topic was checked at CONNECT. It is not in the guard's count: no PUBACK answers it. */
  function takeWill(session: Session, packet: PublishPacket, callback: (error?: Error | null) => void): void {
    counts.wills++;
    budget.take(0);
    deps.beforeAck(packet.topic, packet.payload as Buffer, session.connection, error => {
      budget.give(1, 0);
      callback(error);
    });
  }

  function accept(stream: Duplex): void {
    if (stopping) {
      stream.destroy();
      return;
    }
    const guard = new Guard(stream, limits, budget);
    guards.add(guard);
    const client = aedes.handle(guard);
    guard.once('close', () => {
      guards.delete(guard);
      const { _disconnected } = client as unknown as ClientState;
      const otherwise = _disconnected ? 'disconnected' : guard.readableEnded ? 'lost' : 'protocol';
      closings.note(guard.reason ?? otherwise);
      const session = sessions.get(client);
      if (session === undefined) return;
      if (byDrone.get(session.connection.droneId) === session) byDrone.delete(session.connection.droneId);
      if (session.announced) deps.disconnected(session.connection);
    });
  }

  aedes.on('connackSent', ({ returnCode }) => {
    if (returnCode) counts.refusals.set(returnCode, (counts.refusals.get(returnCode) ?? 0) + 1);
  });
  aedes.on('clientReady', client => {
    const session = sessions.get(client);
    if (session === undefined || session.guard.destroyed) return;
    counts.connects++;
    session.announced = true;
    deps.connected(session.connection);
    session.guard.open(publish => takePublish(session, publish));
  });
  aedes.on('subscribe', (subscriptions, client) => {
    const session = sessions.get(client);
    if (session === undefined || session.guard.destroyed) return;
    if (subscriptions.some(({ topic }) => topic === session.commandTopic)) deps.subscribed(session.connection);
  });
  const failedInside = (client: Client, { message }: Error) => {
    guardOf(client).reason ??= reasonByAedesError[message] ?? 'protocol';
  };
  aedes.on('clientError', failedInside);
  aedes.on('connectionError', failedInside);
  (aedes as EventEmitter).on('error', error => logger.error({ error }, 'broker failed inside'));

  await aedes.listen();
  const listeners = await openListeners(config, accept, closings.note).catch(async error => {
    await new Promise<void>(resolve => aedes.close(resolve));
    throw error;
  });

  const { closed, stop } = serviceLife(async () => {
    stopping = true;
    listeners.close();
    for (const guard of guards) guard.freeze();
    const deadline = Promise.withResolvers<void>();
    const timer = setTimeout(deadline.resolve, stopGraceMs);
    await Promise.race([budget.idle(), deadline.promise]);
    for (const guard of guards) guard.close('stopped');
    await new Promise<void>(resolve => aedes.close(resolve));
    await Promise.race([budget.idle(), deadline.promise]);
    clearTimeout(timer);
    await listeners.destroy();
    closings.stop();
  });

  exposeCounts(deps.metrics, counts, { budget, closings, connections: () => byDrone.size });

  return {
    name: 'broker',
    closed,
    stop,
    ports: listeners.ports,
    addresses: listeners.addresses,
    connections: () => byDrone.size,
    health: () => ({
      ok: true,
      detail: {
        connections: byDrone.size,
        sockets: listeners.sockets(),
        received: counts.received,
        inFlight: budget.packets,
        inFlightBytes: budget.bytes,
      },
    }),
    deliver(droneId, topic, payload) {
      const session = byDrone.get(droneId);
      if (session === undefined || session.guard.destroyed || topic !== session.commandTopic) return false;
      const { subscriptions } = session.client as unknown as ClientState;
      if (!(topic in subscriptions) || session.guard.unsentBytes > unsentMaxBytes) return false;
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
      session.client.publish({ cmd: 'publish', topic, payload: bytes, qos: 1, retain: false, dup: false }, () => {});
      return true;
    },
    close({ id }) {
      for (const session of byDrone.values()) if (session.connection.id === id) session.guard.close('ended');
    },
    closeDrone(droneId) {
      byDrone.get(droneId)?.guard.close('ended');
    },
  };
}

function guardOf(client: Client): Guard {
  return client.conn as Guard;
}
