import { hasCode } from '../core/errors.ts';
import type { EventLog, StoredRecord } from './event-log.ts';
import { recordCrc } from './record.ts';

/** Where somebody who folds or copies a partition stands, and what lay before it there (L1). */
export interface Position {
  logId: string;
  /** The next record wanted. */
  offset: bigint;
  /** `recordCrc` of the record before `offset`; undefined at offset 0. */
  crc: number | undefined;
}

export type PositionCheck =
  | { kind: 'ok' }
  /** Another incarnation of the log: read it from its start. */
  | { kind: 'new-log'; logId: string }
  /** The same log without those records, or with others in their place: stop, and name [from, to). */
  | { kind: 'gap'; from: bigint; to: bigint; reason: 'past-end' | 'differs' | 'damaged' }
  /**
   * Retention removed the record before the position, so it cannot be compared: compare the archive's copy. Reading on is
   * possible where `earliest` equals the position's offset; records up to `earliest` are gone otherwise.
   */
  | { kind: 'retained-away'; earliest: bigint };

/** The position after `record`. */
export function positionAfter(logId: string, record: StoredRecord): Position {
  return { logId, offset: record.offset + 1n, crc: recordCrc(record) };
}

/** Whether reading may go on at `position` (L1). Rejects with what `ends` and `fetch` reject with; with the reason when `signal` aborts. */
export async function checkPosition(
  log: EventLog,
  stream: string,
  partition: number,
  position: Position,
  signal: AbortSignal,
): Promise<PositionCheck> {
  const { logId, offset, crc } = position;
  const ends = (await log.ends(stream)).find(entry => entry.partition === partition);
  if (ends === undefined) throw new TypeError(`stream ${stream} has no partition ${partition}`);
  if (ends.logId !== logId) return { kind: 'new-log', logId: ends.logId };
  if (offset > ends.end) return { kind: 'gap', from: ends.end, to: offset, reason: 'past-end' };
  if (offset === 0n && ends.earliest === 0n) return { kind: 'ok' };
  if (offset <= ends.earliest) return { kind: 'retained-away', earliest: ends.earliest };
  try {
    for await (const { records } of log.fetch(stream, partition, offset - 1n, { signal, until: offset })) {
      if (recordCrc(records[0]!) === crc) return { kind: 'ok' };
      return { kind: 'gap', from: offset - 1n, to: offset, reason: 'differs' };
    }
  } catch (error) {
    if (!hasCode(error, 'LOG_GAP')) throw error;
    const { earliest } = (await log.ends(stream)).find(entry => entry.partition === partition)!;
    if (offset <= earliest) return { kind: 'retained-away', earliest };
    return { kind: 'gap', from: offset - 1n, to: offset, reason: 'damaged' };
  }
  signal.throwIfAborted();
  throw new TypeError('the log was closed while a position was checked');
}
