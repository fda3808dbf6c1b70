import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bridge } from '../bridge/bridge.ts';
import type { Broker } from '../broker/broker.ts';
import type { Archive } from '../cloud/archive/archive.ts';
import type { Config } from '../core/config.ts';
import { type Credentials, parseCredentials } from '../core/credentials.ts';
import type { Logger } from '../core/logging.ts';
import { createMetrics, type Metrics } from '../core/metrics.ts';
import { type OpsServer, startOpsServer } from '../core/ops-server.ts';
import { type Service, serviceLife, stopAll } from '../core/service.ts';
import type { Edge } from '../edge/edge.ts';
import type { EventLog } from '../log/event-log.ts';
import type { EmbeddedEventLog, PartitionStats } from '../log/event-log-embedded.ts';
import { ensureFleetCredentials } from './fleet-credentials.ts';
import { type StageName, startErrors } from './selection.ts';

/** What runs in this process; absent where it was not selected. */
export interface Stages {
  log?: EmbeddedEventLog;
  archive?: Archive;
  bridge?: Bridge;
  broker?: Broker;
  edge?: Edge;
  ops: OpsServer;
  /** Settles with the stage that came down by itself. Never rejects. */
  broken: Promise<{ name: string; error: Error | undefined }>;
  /** Intake first, then the readers drain to the end. Rejects when that takes longer than `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Starts the selected stages, readers before writers, each when the one before is ready; when one fails the others are
 * stopped again. The stages meet here and only here: what one needs of another it gets as a plain function.
 */
export async function startStages(
  selected: ReadonlySet<StageName>,
  config: Config,
  { logger, chosen, signal }: { logger: Logger; chosen: ReadonlySet<keyof Config>; signal: AbortSignal },
): Promise<Stages> {
  const metrics = createMetrics({ processMetrics: true });
  const running: Service[] = [];
  const keep = <S extends Service>(service: S): S => {
    running.push(service);
    logger.info({ stage: service.name }, 'stage is ready');
    return service;
  };
  let ready = false;
  const stages: Partial<Stages> = {};
  // Everything at the end, or what has started when a start fails half-way: writers first, the log after its readers.
  const stop = async (deadlineMs: number): Promise<void> => {
    ready = false;
    await stopAll([...running].reverse(), deadlineMs);
  };

  try {
    const ops = await startOpsServer(
      { ...config, portIsDefault: !chosen.has('OPS_PORT') },
      { metrics, stages: () => running.filter(({ name }) => name !== 'ops'), ready: () => ready },
    );
    stages.ops = keep(ops);

    if (selected.has('bridge') || selected.has('archive')) {
      const { openEventLog } = await import('../log/open.ts');
      stages.log = await openEventLog(config, { logger, role: selected.has('bridge') ? 'bridge' : 'other' });
      keep(logService(stages.log, metrics));
    }
    const { log } = stages;
    if (selected.has('archive')) {
      const [{ startArchive }, { openObjectStore }] = await Promise.all([
        import('../cloud/archive/archive.ts'),
        import('../cloud/archive/open.ts'),
      ]);
      const objects = await openObjectStore(config);
      stages.archive = keep(await startArchive(config, { log: log!, objects, logger, metrics }));
    }
    if (selected.has('bridge')) {
      const [{ startBridge }, { startBroker }] = await Promise.all([
        import('../bridge/bridge.ts'),
        import('../broker/broker.ts'),
      ]);
      const bridge = await startBridge(config, {
        log: log!,
        logger,
        metrics,
        deliver: (droneId, topic, payload) => stages.broker?.deliver(droneId, topic, payload) ?? false,
        closeConnection: id => stages.broker?.close({ id }),
        closeDrone: droneId => stages.broker?.closeDrone(droneId),
        async freeBytes() {
          const { bavail, bsize } = await statfs(config.DATA_DIR);
          return bavail * bsize;
        },
      });
      stages.bridge = keep(bridge);
      const { beforeAck, accepting, authenticate, subscribed } = bridge;
      stages.broker = keep(
        await startBroker(config, {
          beforeAck,
          accepting,
          authenticate,
          subscribed,
          connected: connection => logger.debug({ ...connection }, 'drone connected'),
          disconnected: connection => logger.debug({ ...connection }, 'drone disconnected'),
          logger,
          metrics,
        }),
      );
    }
    if (selected.has('edge') && config.EDGE_DRONES > 0) {
      const { droneIds, startEdge } = await import('../edge/edge.ts');
      const credentials = await edgeCredentials(droneIds(config), config, log, { logger, signal });
      const ours = stages.broker?.addresses[0] ?? `mqtt://${config.BROKER_HOST}:${config.BROKER_PORT}`;
      const mqttUrl = config.MQTT_URL ?? ours;
      stages.edge = keep(await startEdge(config, { logger, metrics, mqttUrl, credentials }));
    }
    ready = true;
    const broken = Promise.race(running.map(({ name, closed }) => closed.then(error => ({ name, error }))));
    return { ...stages, ops, broken, stop };
  } catch (error) {
    await stop(5000).catch(() => {});
    throw error;
  }
}

/** The log as the operations server and the stop see it. */
function logService(log: EmbeddedEventLog, metrics: Metrics): Service {
  const read = (value: (entry: PartitionStats) => number) => () =>
    log
      .stats()
      .partitions.map(entry => [{ stream: entry.stream, partition: String(entry.partition) }, value(entry)] as const);
  metrics.gauge('prestacop_log_bytes', 'Bytes that the embedded log holds.', () => log.stats().bytes);
  metrics.gauge(
    'prestacop_log_earliest_offset',
    'First offset still held.',
    read(({ earliest }) => earliest),
  );
  metrics.gauge(
    'prestacop_log_end_offset',
    'Offset after the last durable record.',
    read(({ end }) => end),
  );
  return { name: 'log', health: () => log.health(), ...serviceLife(() => log.close()) };
}

/**
 * The passwords of the drones of this process. Without MQTT_URL the broker is ours, over the same DATA_DIR: then missing
 * ones are made and entered into its log.
 */
async function edgeCredentials(
  ids: readonly string[],
  config: Config,
  log: EventLog | undefined,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<Credentials> {
  const fleet = config.EDGE_FLEET;
  if (ids.length === 1 && config.MQTT_PASSWORD !== undefined) {
    return new Map([[ids[0]!, { fleet, password: config.MQTT_PASSWORD }]]);
  }
  const path = config.EDGE_CREDENTIALS_FILE ?? join(config.DATA_DIR, 'edge', 'credentials.jsonl');
  if (config.EDGE_CREDENTIALS_FILE === undefined && config.MQTT_URL === undefined) {
    if (log !== undefined) return ensureFleetCredentials(log, { path, fleet, droneIds: ids, signal });
    const { openEventLog } = await import('../log/open.ts');
    const opened = await openEventLog(config, { logger, role: 'other' });
    try {
      return await ensureFleetCredentials(opened, { path, fleet, droneIds: ids, signal });
    } finally {
      await opened.close();
    }
  }
  let known: Credentials;
  try {
    known = parseCredentials(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw startErrors.NO_CREDENTIALS({ path }, error);
  }
  const missing = ids.filter(id => !known.has(id));
  if (missing.length > 0) throw startErrors.DRONES_WITHOUT_PASSWORD({ path, count: missing.length, first: missing[0] });
  return new Map(ids.map(id => [id, known.get(id)!]));
}
