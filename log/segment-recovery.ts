import { open, stat } from 'node:fs/promises';
import { SegmentCursor } from './segment-cursor.ts';
import { segmentBases, segmentPath } from './segment-files.ts';

/** One segment file as the writer and retention know it. */
export interface Segment {
  base: number;
  bytes: number;
  /** Log time of its first batch; undefined while it has none. */
  firstTimeMs: number | undefined;
}

export interface RecoveredPartition {
  segments: Segment[];
  end: number;
  /** Log time of the newest batch; 0 when there is none. */
  lastTimeMs: number;
  /** Bytes of an unfinished write that were cut off; zeros behind them were written ahead and do not count. */
  cutBytes: number;
  /** True when damage was found in front of durable batches: it stays, and readers get `LOG_GAP` there. */
  damaged: boolean;
}

/**
 * Finds the end of a partition's log, which must have no writer. Only the newest segment that holds records is read; what
 * a crash left unfinished behind its last whole write is cut off, and the file is synced (L3).
 */
export async function recoverPartition(folder: string, salt: number): Promise<RecoveredPartition> {
  const bases = await segmentBases(folder);
  const segments = await Promise.all(bases.map(base => describeSegment(folder, base, salt)));
  const found = { segments, end: segments.at(-1)?.base ?? 0, lastTimeMs: 0, cutBytes: 0, damaged: false };
  // A new segment may be empty; then the one before it tells the time, up to where the new one begins.
  for (let index = segments.length - 1; index >= 0 && found.lastTimeMs === 0; index--) {
    const segment = segments[index]!;
    const isLast = index === segments.length - 1;
    const tail = await walk(folder, segment.base, salt, isLast ? Number.POSITIVE_INFINITY : segments[index + 1]!.base);
    found.lastTimeMs = tail.lastTimeMs;
    if (!isLast) continue;
    found.end = tail.end;
    found.damaged = tail.damaged;
    found.cutBytes = await settleFile(segmentPath(folder, segment.base), segment.bytes, tail.bytes);
    segment.bytes = tail.bytes;
    if (tail.bytes === 0) segment.firstTimeMs = undefined;
  }
  return found;
}

async function describeSegment(folder: string, base: number, salt: number): Promise<Segment> {
  const { size } = await stat(segmentPath(folder, base));
  const cursor = await SegmentCursor.open(folder, base, salt);
  try {
    return { base, bytes: size, firstTimeMs: (await cursor.peek(base, false))?.timeMs };
  } finally {
    await cursor.close();
  }
}

async function walk(folder: string, base: number, salt: number, limit: number) {
  const cursor = await SegmentCursor.open(folder, base, salt);
  let end = base;
  let lastTimeMs = 0;
  let damaged = false;
  try {
    while (end < limit) {
      let head = await cursor.peek(end);
      if (head === undefined) {
        const position = cursor.position;
        // Whole batches of the same write prove nothing: a torn write may leave its later pages on disk.
        head = await cursor.resync(end);
        while (head !== undefined && head.firstOffset - head.recordsBefore <= end) {
          cursor.skip();
          head = await cursor.resync(end);
        }
        if (head === undefined) {
          cursor.position = position;
          break;
        }
        damaged = true;
      }
      end = head.firstOffset + head.count;
      lastTimeMs = head.timeMs;
      cursor.skip();
    }
    return { end, bytes: cursor.position, lastTimeMs, damaged };
  } finally {
    await cursor.close();
  }
}

/** Cuts a file off behind its records and syncs it. Gives how many bytes a write had reached there. */
async function settleFile(path: string, fileBytes: number, bytes: number): Promise<number> {
  const handle = await open(path, 'r+');
  try {
    let reached = bytes;
    const chunk = Buffer.allocUnsafe(Math.min(fileBytes - bytes, 256 * 1024));
    for (let at = bytes; at < fileBytes; at += chunk.length) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
      const last = chunk.subarray(0, bytesRead).findLastIndex(byte => byte !== 0);
      if (last >= 0) reached = at + last + 1;
    }
    if (fileBytes > bytes) await handle.truncate(bytes);
    await handle.sync();
    return reached - bytes;
  } finally {
    await handle.close();
  }
}
