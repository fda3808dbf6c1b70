import type { TestContext } from 'node:test';
import { parseConfig } from '../../core/config.ts';
import { newUlid } from '../../core/ids.ts';
import { createLogger } from '../../core/logging.ts';
import { createMetrics } from '../../core/metrics.ts';
import { droneIds, startEdge } from '../edge.ts';
import type { TestBroker } from './broker.ts';
import { temporaryFolder } from './world.ts';

export const fast = {
  EDGE_DRONES: '2',
  EDGE_TELEMETRY_INTERVAL_MS: '60',
  EDGE_VIOLATIONS_PER_HOUR: '20000',
  EDGE_IMAGE_WIDTH_PX: '320',
  EDGE_DISK_RESERVE_BYTES: '0',
};

/** A fleet of two whose drones have much to say, in a folder of its own. */
export async function fly(
  t: TestContext,
  broker: TestBroker,
  env: Record<string, string> = {},
  dataDir = temporaryFolder(t),
) {
  const { config } = parseConfig({ ...fast, ...env, DATA_DIR: dataDir });
  const credentials = new Map(droneIds(config).map(id => [id, { fleet: 'nyc', password: `password of ${id}` }]));
  const lines: string[] = [];
  const logger = createLogger('info', { write: line => void lines.push(line) });
  const metrics = createMetrics();
  const edge = await startEdge(config, { logger, metrics, mqttUrl: broker.url, credentials });
  t.after(() => edge.stop());
  return { edge, dataDir, lines, metrics };
}

/** A command as the ground sends it, good for a minute. */
export function command(droneId: string, action: string, more: object = {}) {
  const issuedAtMs = Date.now();
  const times = { issuedAtMs, expiresAtMs: issuedAtMs + 60_000 };
  return { v: 1, droneId, fleet: 'nyc', commandId: newUlid(), action, ...times, ...more };
}
