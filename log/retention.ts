import type { Segment } from './segment-recovery.ts';

export interface HeldPartition {
  stream: string;
  partition: number;
  segments: readonly Segment[];
  bytes: number;
  /** The offset after the last record. */
  end: number;
}

export interface GroupPosition {
  group: string;
  partition: number;
  offset: bigint;
}

/**
 * How far each group that retention waits for has come on a partition (L7): the archive always, the cases stage on
 * `violation` once it has committed anything. Undefined for a stream that never leaves the log.
 */
export function holdersOf(
  { stream, partition }: Pick<HeldPartition, 'stream' | 'partition'>,
  archived: boolean,
  positions: readonly GroupPosition[],
): { group: string; offset: number }[] | undefined {
  if (!archived) return undefined;
  const groups = ['archive'];
  if (stream === 'violation' && positions.some(({ group }) => group === 'cases')) groups.push('cases');
  return groups.map(group => {
    const found = positions.find(position => position.group === group && position.partition === partition);
    return { group, offset: Number(found?.offset ?? 0n) };
  });
}

export interface RetentionLimits {
  /** Segments whose records are all older leave. */
  olderThanMs: number;
  /** Above this the oldest leave. */
  retainBytes: number;
}

/**
 * How many of the oldest segments of each partition leave. Only those that every holder has read leave, and never the
 * newest one with records, which remembers the log's time and end.
 */
export function planRetention(
  partitions: readonly (HeldPartition & { holders: readonly { offset: number }[] | undefined })[],
  { olderThanMs, retainBytes }: RetentionLimits,
): number[] {
  const counts = partitions.map(() => 0);
  let bytes = partitions.reduce((sum, partition) => sum + partition.bytes, 0);

  /** The segment after the next one to leave, if that one may. */
  const follower = (index: number): Segment | undefined => {
    const { segments, holders } = partitions[index]!;
    const next = segments[counts[index]! + 1];
    if (holders === undefined || next === undefined || next.bytes === 0) return undefined;
    return holders.every(({ offset }) => offset >= next.base) ? next : undefined;
  };
  const leave = (index: number) => {
    bytes -= partitions[index]!.segments[counts[index]!]!.bytes;
    counts[index]!++;
  };

  partitions.forEach((_, index) => {
    while ((follower(index)?.firstTimeMs ?? Number.POSITIVE_INFINITY) < olderThanMs) leave(index);
  });
  while (bytes > retainBytes) {
    const oldest = partitions
      .map((_, index) => index)
      .filter(index => follower(index) !== undefined)
      .sort((a, b) => follower(a)!.firstTimeMs! - follower(b)!.firstTimeMs!)[0];
    if (oldest === undefined) break;
    leave(oldest);
  }
  return counts;
}

/**
 * Why a log is full, for `LOG_FULL` and `/health`: the group that keeps most bytes from leaving and how many, or that no
 * group does.
 */
export function reasonOfFullness(
  partitions: readonly (HeldPartition & { holders: readonly { group: string; offset: number }[] | undefined })[],
): { reason: string; group?: string; heldBytes?: number } {
  const held = new Map<string, number>();
  for (const { segments, holders, end } of partitions) {
    for (const { group, offset } of holders ?? []) {
      const unread = segments.filter(({ bytes }, index) => bytes > 0 && (segments[index + 1]?.base ?? end) > offset);
      const bytes = unread.reduce((sum, segment) => sum + segment.bytes, 0);
      // The newest segment stays, read or not: alone it is nobody's fault.
      if (unread.length > 1) held.set(group, (held.get(group) ?? 0) + bytes);
    }
  }
  const heaviest = [...held].sort((a, b) => b[1] - a[1])[0];
  if (heaviest === undefined) {
    return { reason: 'no group holds it back: newest segments and streams that are kept for ever need a higher limit' };
  }
  const [group, heldBytes] = heaviest;
  return { reason: `group ${group} has not read ${heldBytes} of them`, group, heldBytes };
}
