import { hasCode } from '../../core/errors.ts';
import type { EventLog, StoredRecord } from '../../log/event-log.ts';
import { isMark, messageText } from '../../log/record.ts';
import type { Series } from './sightings.ts';

/** Offsets [from, to) of one partition that are gone or damaged. */
export interface OffsetRange {
  from: bigint;
  to: bigint;
}

/**
 * Visits the records [from, until) of one partition, marks left out, and goes on behind whatever the log has lost.
 * Gives the ranges that it could not read. A record's payload holds only during its visit.
 */
export async function readLog(
  log: EventLog,
  { stream, partition, from, until }: { stream: string; partition: number; from: bigint; until: bigint },
  visit: (record: StoredRecord) => void,
  signal: AbortSignal,
): Promise<OffsetRange[]> {
  const lost: OffsetRange[] = [];
  let next = from;
  while (next < until) {
    signal.throwIfAborted();
    try {
      for await (const batch of log.fetch(stream, partition, next, { signal, until, reuse: true })) {
        for (const record of batch.records) if (!isMark(record)) visit(record);
        next = batch.nextOffset;
      }
      signal.throwIfAborted();
      if (next < until) lost.push({ from: next, to: until });
      break;
    } catch (error) {
      if (!hasCode(error, 'LOG_GAP')) throw error;
      const gap = { from: BigInt(error.detail.from as bigint), to: BigInt(error.detail.to as bigint) };
      const begin = gap.from > next ? gap.from : next;
      const end = gap.to < until ? gap.to : until;
      lost.push({ from: begin, to: end > begin ? end : begin + 1n });
      next = lost.at(-1)!.to;
    }
  }
  return lost;
}

/** A numbered message: its identity, from its headers and its JSON, and all that it says; undefined where it has none. */
export function messageOf(
  record: StoredRecord,
): { series: Series; seq: number; message: Record<string, unknown> } | undefined {
  const { kind } = record.headers;
  const message = parseObject(messageText(record)) ?? {};
  const { epoch, seq } = message;
  if (typeof epoch !== 'string' || !Number.isSafeInteger(seq) || kind === undefined) return undefined;
  return { series: { droneId: record.key, epoch, kind }, seq: seq as number, message };
}

export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
