import type { Stages } from './stages.ts';

/** The numbers of the live line; what does not run in this process is absent. */
export interface Summary {
  dronesOnline?: number;
  messagesPerSecond?: number;
  inLog?: number;
  archived?: number;
  rejected?: number;
  lagRecords?: number;
  waitingAtDrones?: number;
}

/** Reads the stages' counters; rates are over the time since the call before. */
export function createSummary(stages: Stages, now: () => number = Date.now): () => Summary {
  let lastMs = now();
  let lastReceived = stages.bridge?.counts().received ?? 0;
  return () => {
    const { bridge, broker, archive, edge, log } = stages;
    const atMs = now();
    const summary: Summary = {};
    if (bridge !== undefined && broker !== undefined) {
      const { received, rejected } = bridge.counts();
      summary.dronesOnline = broker.connections();
      summary.messagesPerSecond = Math.round(((received - lastReceived) * 1000) / Math.max(1, atMs - lastMs));
      summary.rejected = rejected;
      lastReceived = received;
    } else if (edge !== undefined) {
      summary.dronesOnline = edge.counts().online;
    }
    if (log !== undefined) summary.inLog = log.stats().partitions.reduce((sum, { end }) => sum + end, 0);
    if (archive !== undefined) {
      const { recordsArchived, lagRecords } = archive.counts();
      summary.archived = recordsArchived;
      summary.lagRecords = lagRecords;
    }
    if (edge !== undefined) summary.waitingAtDrones = edge.counts().waiting;
    lastMs = atMs;
    return summary;
  };
}

const labels: [keyof Summary, (value: string) => string][] = [
  ['dronesOnline', value => `drones online ${value}`],
  ['messagesPerSecond', value => `in ${value}/s`],
  ['inLog', value => `in the log ${value}`],
  ['archived', value => `archived ${value}`],
  ['rejected', value => `rejected ${value}`],
  ['lagRecords', value => `lag ${value}`],
  ['waitingAtDrones', value => `at the drones ${value}`],
];

export function describeSummary(summary: Summary): string {
  return labels
    .filter(([name]) => summary[name] !== undefined)
    .map(([name, label]) => label(summary[name]!.toLocaleString('en-US')))
    .join(' | ');
}
