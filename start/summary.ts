import { streams } from '../core/streams.ts';
import type { Stages } from './stages.ts';

/** The numbers of the live line; what does not run in this process is absent. */
export interface Summary {
  dronesOnline?: number;
  messagesPerSecond?: number;
  /** Records that the log has taken in streams that are archived, and how many of them the archive holds. */
  inLog?: number;
  archived?: number;
  rejected?: number;
  lagRecords?: number;
  /** UTC milliseconds at which the archive's next object is due at the latest. */
  nextObjectAtMs?: number;
  waitingAtDrones?: number;
}

const archivedStreams = new Set(streams.filter(({ archived }) => archived).map(({ name }) => name));

/** Reads the stages' counters; rates are over the time since the call before. */
export function createSummary(stages: Stages, now: () => number = Date.now): () => Summary {
  let lastMs = now();
  let lastReceived = stages.bridge?.counts().received ?? 0;
  return () => {
    const { bridge, archive, edge, log } = stages;
    const atMs = now();
    const summary: Summary = {};
    if (bridge !== undefined) {
      const { received, rejected } = bridge.counts();
      summary.dronesOnline = bridge.online();
      summary.messagesPerSecond = Math.round(((received - lastReceived) * 1000) / Math.max(1, atMs - lastMs));
      summary.rejected = rejected;
      lastReceived = received;
    } else if (edge !== undefined) {
      summary.dronesOnline = edge.counts().online;
    }
    if (log !== undefined) {
      const ends = log.stats().partitions.filter(({ stream }) => archivedStreams.has(stream));
      summary.inLog = ends.reduce((sum, { end }) => sum + end, 0);
    }
    if (archive !== undefined) {
      // Its own lag is by the ends of a second ago.
      const { positionRecords: archived, nextObjectAtMs } = archive.counts();
      Object.assign(summary, { archived, lagRecords: Math.max(0, summary.inLog! - archived), nextObjectAtMs });
    }
    if (edge !== undefined) summary.waitingAtDrones = edge.counts().waiting;
    lastMs = atMs;
    return summary;
  };
}

const labels: [keyof Summary, string][] = [
  ['dronesOnline', 'drones online'],
  ['messagesPerSecond', 'in/s'],
  ['inLog', 'in the log'],
  ['archived', 'archived'],
  ['lagRecords', 'lag'],
  ['rejected', 'rejected'],
  ['waitingAtDrones', 'at the drones'],
];

/** One line for people; what is absent is left out. */
export function describeSummary(summary: Summary): string {
  const parts = labels
    .filter(([name]) => summary[name] !== undefined)
    .map(([name, label]) => `${label} ${summary[name]!.toLocaleString('en-US')}`);
  if (summary.nextObjectAtMs !== undefined) {
    const clock = new Date(summary.nextObjectAtMs).toTimeString().slice(0, 8);
    parts.push(`next objects by ${clock}`);
  }
  return parts.join(' | ');
}
