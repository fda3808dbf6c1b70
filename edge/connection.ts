import mqtt, { type MqttClient } from 'mqtt';
import type { Logger } from '../core/logging.ts';
import { backoffMs } from '../core/retry.ts';
import { encodeTopic } from '../core/topics.ts';
import type { Outgoing } from './sending.ts';

export interface ConnectionOptions {
  url: string;
  /** PEM of the authority behind mqtts and wss; undefined: the system's. */
  ca: Uint8Array | undefined;
  droneId: string;
  fleet: string;
  password: string;
  /** Messages and pictures sent and not acknowledged. */
  inFlightMax: number;
}

export interface ConnectionDeps {
  logger: Logger;
  /** The next message to send, which is then in flight. */
  take(): Outgoing | undefined;
  acknowledged(message: Outgoing): void;
  /** Everything in flight must be sent again. */
  lost(): void;
  /** The payload of a `state` message. */
  state(status: 'online' | 'offline'): Buffer;
  command(payload: Uint8Array): void;
  /** Why a connection did not come about or broke. */
  failed(error: Error): void;
  /** Handshakes under way over the whole fleet. */
  handshakes: { open: number };
  random?: () => number;
}

/** A drone's link to the broker: at most one MQTT.js client at a time, made anew for each connection (D3). */
export interface Connection {
  readonly online: boolean;
  /** Connects when it is time to, gives up what is dead, tells the state once a minute. Milliseconds of a steady clock. */
  tick(steadyMs: number): void;
  /** Sends what there is to send. */
  pump(): void;
  /** The radio link of the flight; going down cuts the connection in the middle of whatever it was doing. */
  setLink(up: boolean): void;
  /** Tells the state at the next tick. */
  stateChanged(): void;
  /** Says goodbye where there is a connection, and ends. Bounded by `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

/** D6: Aedes counts whole packets only, and 1 MiB at 64 kbit/s takes 131 s. */
const keepAliveS = 300;
const connectTimeoutMs = 10_000;
/** With messages in flight and no PUBACK for so long the connection is given up; the same 131 s and some more. */
const ackTimeoutMs = 150_000;
const stateEveryMs = 60_000;
/** Handshakes at once over the fleet: a thousand drones do not come as one wave. */
const handshakesMax = 50;
/** MQTT 3.1.1 return codes: bad user name or password, not authorized. */
const credentialsRefused = new Set<unknown>([4, 5]);
const backoff = { firstMs: 500, maxMs: 30_000 };

export function createConnection(options: ConnectionOptions, deps: ConnectionDeps): Connection {
  const { droneId, fleet } = options;
  const { logger, handshakes, random = Math.random } = deps;
  const topic = (kind: string) => encodeTopic({ fleet, droneId, kind });
  let client: MqttClient | undefined;
  let online = false;
  let linkUp = true;
  let closing = false;
  let warned = false;
  let inFlight = 0;
  let failures = 0;
  let steadyMs = 0;
  let connectAtMs = 0;
  let heardAtMs = 0;
  let stateAtMs = 0;

  function connect(): void {
    handshakes.open++;
    const mine = mqtt.connect(options.url, {
      clientId: droneId,
      username: droneId,
      password: options.password,
      ...(options.ca === undefined ? {} : { ca: Buffer.from(options.ca) }),
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 0,
      resubscribe: false,
      keepalive: keepAliveS,
      connectTimeout: connectTimeoutMs,
      will: { topic: topic('state'), payload: deps.state('offline'), qos: 1, retain: true },
    });
    client = mine;
    let shaking = true;
    const shaken = () => {
      if (shaking) handshakes.open--;
      shaking = false;
    };
    mine.on('connect', () => {
      shaken();
      if (client !== mine) return;
      online = true;
      warned = false;
      heardAtMs = steadyMs;
      mine.subscribe(topic('command'), { qos: 1 }, error => {
        if (error) mine.stream.destroy();
      });
      tellState();
      pump();
    });
    mine.on('message', (_, payload) => deps.command(payload));
    mine.on('error', error => {
      deps.failed(error);
      const refused = credentialsRefused.has((error as { code?: unknown }).code);
      if (refused && !warned)
        logger.warn({ droneId, error }, 'the broker refuses the drone, check its password and fleet');
      warned ||= refused;
      mine.stream.destroy();
    });
    mine.on('close', () => {
      shaken();
      if (client === mine) gone();
    });
  }

  function gone(): void {
    const mine = client;
    client = undefined;
    online = false;
    inFlight = 0;
    deps.lost();
    failures++;
    connectAtMs = steadyMs + backoffMs(failures, { ...backoff, random });
    mine?.end(true);
  }

  function cut(): void {
    client?.stream.destroy();
    if (client !== undefined) gone();
  }

  function tellState(): void {
    stateAtMs = steadyMs + stateEveryMs;
    client?.publish(topic('state'), deps.state('online'), { qos: 1, retain: true });
  }

  function pump(): void {
    const mine = client;
    while (online && mine !== undefined && inFlight < options.inFlightMax) {
      const message = deps.take();
      if (message === undefined) return;
      if (inFlight++ === 0) heardAtMs = steadyMs;
      mine.publish(message.topic, message.payload, { qos: 1 }, error => {
        if (error || client !== mine) return;
        inFlight--;
        failures = 0;
        heardAtMs = steadyMs;
        deps.acknowledged(message);
        if (!closing) pump();
      });
    }
  }

  return {
    get online() {
      return online;
    },
    tick(nowMs) {
      steadyMs = nowMs;
      if (client === undefined) {
        if (linkUp && !closing && nowMs >= connectAtMs && handshakes.open < handshakesMax) connect();
      } else if (inFlight > 0 && nowMs - heardAtMs > ackTimeoutMs) {
        logger.warn({ droneId, inFlight }, 'no PUBACK for too long, connection given up');
        cut();
      } else if (online && nowMs >= stateAtMs) {
        tellState();
      }
    },
    pump,
    setLink(up) {
      if (up === linkUp) return;
      linkUp = up;
      if (!up) cut();
    },
    stateChanged() {
      stateAtMs = 0;
    },
    async close(deadlineMs) {
      closing = true;
      const mine = client;
      if (mine === undefined) return;
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>(resolve => {
        timer = setTimeout(resolve, deadlineMs);
      });
      const goodbye = new Promise<void>(resolve => {
        mine.once('close', resolve);
        if (!online) return resolve();
        // With its PUBACK the will is not needed, and a DISCONNECT takes it back.
        mine.publish(topic('state'), deps.state('offline'), { qos: 1, retain: true }, error => {
          if (error || inFlight > 0) resolve();
          else mine.end(false, {}, () => resolve());
        });
      });
      await Promise.race([goodbye, deadline]);
      clearTimeout(timer);
      client = undefined;
      online = false;
      mine.end(true);
    },
  };
}
