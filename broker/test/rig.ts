import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { Config } from '../../core/config.ts';
import { parseConfig } from '../../core/config.ts';
import type { DroneConnection } from '../../core/connection.ts';
import type { AppError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logging.ts';
import { createMetrics, type Metrics } from '../../core/metrics.ts';
import { type Broker, type BrokerDeps, startBroker } from '../broker.ts';

export interface Handed {
  topic: string;
  payload: string;
  connection: DroneConnection;
  done: (error?: AppError) => void;
}

export interface Rig {
  broker: Broker;
  metrics: Metrics;
  /** What the broker handed over, in order. */
  handed: Handed[];
  /** Calls of connected, subscribed and disconnected, as `word droneId`. */
  events: string[];
  /** Whether messages are answered at once. */
  answering: boolean;
  accepting: boolean;
}

/** A broker on free ports; every drone of fleet `nyc` has its id, then `-secret`, as password. */
export async function startRig(
  t: TestContext,
  changes: Partial<Config> = {},
  deps: Partial<BrokerDeps> = {},
): Promise<Rig> {
  const { config } = parseConfig({});
  const metrics = createMetrics();
  const rig: Omit<Rig, 'broker'> = { metrics, handed: [], events: [], answering: true, accepting: true };
  const broker = await startBroker(
    { ...config, BROKER_PORT: 0, ...changes },
    {
      logger: silentLogger,
      metrics,
      beforeAck(topic, payload, connection, done) {
        rig.handed.push({ topic, payload: Buffer.from(payload).toString(), connection, done });
        if (rig.answering) setImmediate(done);
      },
      accepting: () => rig.accepting,
      authenticate: (id, password) =>
        Buffer.from(password).toString() === `${id}-secret` ? { fleet: 'nyc' } : undefined,
      connected: ({ droneId }) => rig.events.push(`connected ${droneId}`),
      subscribed: ({ droneId }) => rig.events.push(`subscribed ${droneId}`),
      disconnected: ({ droneId }) => rig.events.push(`disconnected ${droneId}`),
      ...deps,
    },
  );
  t.after(() => broker.stop());
  return Object.assign(rig, { broker });
}

/** An MQTT.js client of the drone, connected; ended after the test. */
export async function connectDrone(
  t: TestContext,
  url: string,
  droneId: string,
  options: IClientOptions = {},
): Promise<MqttClient> {
  const client = mqtt.connect(url, droneOptions(droneId, options));
  t.after(() => client.end(true));
  await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject));
  client.on('error', () => {});
  return client;
}

export function droneOptions(droneId: string, options: IClientOptions = {}): IClientOptions {
  return {
    clientId: droneId,
    username: droneId,
    password: `${droneId}-secret`,
    reconnectPeriod: 0,
    keepalive: 300,
    ...options,
  };
}

/** Waits until `read()` is no longer undefined or false; fails after five seconds with what it last saw. */
export async function until<T>(what: string, read: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const value = read();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`Not within 5 s: ${what}`);
    await wait(5);
  }
}
