import { asLogError, logErrors, type RecordBatch } from './event-log.ts';
import type { PartitionView } from './partition-view.ts';
import type { Taking } from './segment-codec.ts';
import { SegmentCursor } from './segment-cursor.ts';
import { segmentBases } from './segment-files.ts';

export interface ReadOptions {
  salt: number;
  signal: AbortSignal;
  /** Exclusive. */
  until?: number;
  maxBatchBytes: number;
  reuse: boolean;
}

/**
 * Reads a partition's durable records from `offset` on, in any process, and waits for more. Holds one buffer of about
 * 1 MiB and the batch it gave last. Throws `LOG_GAP` where records are gone or damaged; never skips any.
 */
export async function* readSegments(
  view: PartitionView,
  offset: number,
  { salt, signal, until = Number.POSITIVE_INFINITY, maxBatchBytes, reuse }: ReadOptions,
): AsyncGenerator<RecordBatch> {
  let next = offset;
  let cursor: SegmentCursor | undefined;
  try {
    if (next > view.end) throw gap(view, view.end, next);
    while (next < until) {
      await view.beyond(next, signal);
      if (signal.aborted) return;
      // These two are read together: what ends here lies in the active segment or in an earlier one.
      const { activeBase, end } = view;
      const limit = Math.min(end, until);
      while (next < limit) {
        const [base, segmentEnd] = next >= activeBase ? [activeBase, end] : await segmentOf(view, next);
        if (next < view.earliest) throw gap(view, next, view.earliest);
        const stop = Math.min(limit, segmentEnd);
        if (cursor?.base !== base) {
          await cursor?.close();
          cursor = undefined;
          cursor = await openAt(view, base, next, stop, { salt, reuse });
        }
        while (next < stop) {
          const records = await take(view, cursor, next, stop, maxBatchBytes);
          next += records.length;
          yield { stream: view.stream, partition: view.partition, records, nextOffset: BigInt(next) };
          if (signal.aborted) return;
        }
      }
      cursor?.forget();
    }
  } finally {
    await cursor?.close();
  }
}

function gap(view: PartitionView, from: number, to: number) {
  const { stream, partition } = view;
  return logErrors.GAP({ stream, partition, from: BigInt(from), to: BigInt(to) });
}

/** The sealed segment that `offset` belongs to, and where the one after it begins. */
async function segmentOf(view: PartitionView, offset: number): Promise<[base: number, end: number]> {
  const bases = await segmentBases(view.folder).catch(error => {
    throw asLogError(error);
  });
  const after = bases.findIndex(base => base > offset);
  const base = bases[(after < 0 ? bases.length : after) - 1];
  const end = after < 0 ? view.activeBase : bases[after]!;
  if (base === undefined) throw gap(view, offset, end);
  return [base, end];
}

/** Opens a segment where the batch that holds `offset` begins. */
async function openAt(
  view: PartitionView,
  base: number,
  offset: number,
  stop: number,
  { salt, reuse }: Pick<ReadOptions, 'salt' | 'reuse'>,
) {
  const cursor = await SegmentCursor.open(view.folder, base, salt, reuse).catch(error => {
    // Retention deletes while others read.
    if (error.code === 'ENOENT') throw gap(view, offset, Math.max(view.earliest, stop));
    throw asLogError(error);
  });
  try {
    let at = cursor.seek(view.index.get(base), offset);
    while (at < offset) {
      const head = (await cursor.peek(at, false)) ?? (await cursor.resync(at));
      if (head === undefined || head.firstOffset > offset) throw gap(view, offset, head?.firstOffset ?? stop);
      if (head.firstOffset + head.count > offset) break;
      at = head.firstOffset + head.count;
      cursor.skip();
      rememberPosition(view, cursor, at);
    }
    return cursor;
  } catch (error) {
    await cursor.close();
    throw error;
  }
}

/** The records from `next` on that are at hand: at least one, none at or past `stop`. */
async function take(view: PartitionView, cursor: SegmentCursor, next: number, stop: number, maxBytes: number) {
  const taking: Taking = { from: next, to: stop, bytes: 0, maxBytes, records: [] };
  const { records } = taking;
  do {
    const first = next + records.length;
    const head = await cursor.peek(first);
    if (head === undefined) {
      if (records.length > 0) break;
      const found = await cursor.resync(first);
      throw gap(view, first, Math.min(found?.firstOffset ?? stop, stop));
    }
    cursor.decode(taking);
    const end = head.firstOffset + head.count;
    if (next + records.length < end) break;
    cursor.skip();
    rememberPosition(view, cursor, end);
  } while (taking.bytes < maxBytes && next + records.length < stop && cursor.buffered);
  return records;
}

function rememberPosition(view: PartitionView, cursor: SegmentCursor, offset: number): void {
  const index = view.index.get(cursor.base) ?? [];
  view.index.set(cursor.base, index);
  cursor.remember(index, offset);
}
