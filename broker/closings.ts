import type { Logger } from '../core/logging.ts';

/** Why a connection ended; the label of `prestacop_broker_closed_total`. */
export const closedReasons = {
  disconnected: 'the drone sent DISCONNECT',
  lost: 'the network connection ended without DISCONNECT',
  keepalive: 'no packet for one and a half keep-alives',
  'connect-timeout': 'no CONNECT within BROKER_CONNECT_TIMEOUT_MS',
  refused: 'CONNECT was refused',
  stalled: 'silent inside a packet for BROKER_STALL_TIMEOUT_MS',
  malformed: 'a packet whose length cannot be read',
  'packet-too-large': 'a packet above BROKER_PACKET_MAX_BYTES',
  'not-reading': 'it did not read what it was sent',
  protocol: 'something else that MQTT does not allow',
  'forbidden-topic': "a message outside the drone's own topics",
  'append-failed': 'a message could not be made durable (B2)',
  'taken-over': 'the same drone connected again',
  ended: 'revoked, or an older session (B7)',
  stopped: 'the broker stopped',
  surplus: 'there were BROKER_CONNECTIONS_MAX',
  'not-accepted': 'the system had no socket for it, as with too few file descriptors',
} as const;
export type ClosedReason = keyof typeof closedReasons;

const ordinary: ReadonlySet<ClosedReason> = new Set(['disconnected', 'lost', 'refused', 'taken-over', 'stopped']);
const warnIntervalMs = 60_000;

export interface Closings {
  note(reason: ClosedReason): void;
  counts(): readonly (readonly [{ reason: ClosedReason }, number])[];
  stop(): void;
}

/** Counts how connections end; of what is out of the ordinary one warning at once, then at most one a minute. */
export function createClosings(logger: Logger): Closings {
  const counts = new Map(Object.keys(closedReasons).map(reason => [reason as ClosedReason, 0]));
  let unreported: Partial<Record<ClosedReason, number>> = {};
  let timer: NodeJS.Timeout | undefined;

  function report(): void {
    timer = undefined;
    if (Object.keys(unreported).length === 0) return;
    logger.warn({ closed: unreported }, 'connections closed');
    unreported = {};
    timer = setTimeout(report, warnIntervalMs).unref();
  }

  return {
    note(reason) {
      counts.set(reason, counts.get(reason)! + 1);
      if (ordinary.has(reason)) return;
      unreported[reason] = (unreported[reason] ?? 0) + 1;
      if (timer === undefined) report();
    },
    counts: () => [...counts].map(([reason, count]) => [{ reason }, count] as const),
    stop() {
      clearTimeout(timer);
      report();
      clearTimeout(timer);
    },
  };
}
