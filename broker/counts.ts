import type { Metrics } from '../core/metrics.ts';
import type { Budget } from './budget.ts';
import type { Closings } from './closings.ts';

/** What passed through the broker: received = acknowledged + failed + what the log still has. Wills are apart. */
export interface Counts {
  connects: number;
  /** By return code of CONNACK. */
  refusals: Map<number, number>;
  received: number;
  acknowledged: number;
  failed: number;
  forbidden: number;
  wills: number;
}

export function newCounts(): Counts {
  const refusals = new Map([1, 2, 3, 4, 5].map(code => [code, 0]));
  return { connects: 0, refusals, received: 0, acknowledged: 0, failed: 0, forbidden: 0, wills: 0 };
}

export function exposeCounts(
  metrics: Metrics,
  counts: Counts,
  { budget, closings, connections }: { budget: Budget; closings: Closings; connections: () => number },
): void {
  const { counter, gauge } = metrics;
  gauge('prestacop_broker_connections', 'Drones connected.', connections);
  gauge('prestacop_broker_in_flight', 'Messages read and not yet answered.', () => budget.packets);
  gauge('prestacop_broker_in_flight_bytes', 'The same in bytes.', () => budget.bytes);
  counter('prestacop_broker_connects_total', 'CONNECTs accepted.', () => counts.connects);
  counter('prestacop_broker_connects_refused_total', 'CONNECTs refused, by return code.', () =>
    [...counts.refusals].map(([code, count]) => [{ code: String(code) }, count] as const),
  );
  counter('prestacop_broker_received_total', 'Messages handed over.', () => counts.received);
  counter('prestacop_broker_acknowledged_total', 'Messages that became durable.', () => counts.acknowledged);
  counter('prestacop_broker_failed_total', 'Messages that did not become durable; no PUBACK.', () => counts.failed);
  counter('prestacop_broker_forbidden_total', 'Messages outside their own topics.', () => counts.forbidden);
  counter('prestacop_broker_wills_total', 'Last wills handed over.', () => counts.wills);
  counter('prestacop_broker_closed_total', 'Connections ended, by reason.', closings.counts);
}
