import type { Logger } from '../core/logging.ts';
import type { Health } from '../core/service.ts';
import { type Stream, streams as streamTable } from '../core/streams.ts';
import { checkRecords } from './append-queue.ts';
import { type EventLog, type GroupBatch, type GroupOptions, logErrors, type RecordBatch } from './event-log.ts';
import { LogAttachment, type Partition } from './log-attachment.ts';
import type { LogLimits } from './log-owner.ts';
import { mergeBatches } from './merge.ts';
import type { PartitionView } from './partition-view.ts';
import { partitionOf } from './partitioner.ts';
import { realWriteCalls, type WriteCalls } from './segment-files.ts';
import { readSegments } from './segment-reader.ts';

export interface EmbeddedDeps {
  logger: Logger;
  /** The bridge writes; whoever else holds the log hands it over when a bridge asks (L6). */
  role: 'bridge' | 'other';
  /** UTC milliseconds; default Date.now. */
  now?: () => number;
  monotonicMs?: () => number;
  /** Default: the table in core/streams.ts. */
  streams?: readonly Pick<Stream, 'name' | 'archived'>[];
  /** How many partitions a stream gets when it is created; default 1. A stream that has another number is refused (L8). */
  partitions?: Readonly<Record<string, number>>;
  writeCalls?: WriteCalls;
}

export interface PartitionStats {
  stream: string;
  partition: number;
  earliest: number;
  end: number;
  bytes: number;
}

export interface EmbeddedEventLog extends EventLog {
  health(): Health;
  /** For `/metrics`: numbers at hand, nothing is read. */
  stats(): { bytes: number; partitions: readonly PartitionStats[] };
}

/** What this adapter cannot do, for the contract suite. */
export const lacks: readonly string[] = ['shares partitions among the members of a group'];

const maxBatchBytesDefault = 4 * 1024 * 1024;

export async function openEmbeddedLog(
  dataDir: string,
  limits: LogLimits,
  deps: EmbeddedDeps,
): Promise<EmbeddedEventLog> {
  const attachment = await LogAttachment.open({
    dataDir,
    limits,
    logger: deps.logger,
    role: deps.role,
    now: deps.now ?? Date.now,
    monotonicMs: deps.monotonicMs ?? (() => performance.now()),
    streams: deps.streams ?? streamTable,
    partitions: deps.partitions ?? {},
    writeCalls: deps.writeCalls ?? realWriteCalls,
  });
  const { streams, identity, positions, closing } = attachment;

  function partitionsOf(stream: string): readonly Partition[] {
    if (closing.aborted) throw logErrors.CLOSED();
    const found = streams.get(stream);
    if (found === undefined) throw logErrors.UNKNOWN_STREAM({ stream });
    return found;
  }

  function partitionAt(stream: string, partition: number): Partition {
    const found = partitionsOf(stream)[partition];
    if (found === undefined) throw new TypeError(`stream ${stream} has no partition ${partition}`);
    return found;
  }

  async function* fetch(
    stream: string,
    partition: number,
    offset: bigint,
    options: { signal: AbortSignal; until?: bigint; maxBatchBytes?: number; reuse?: boolean },
  ): AsyncGenerator<RecordBatch> {
    const { view } = partitionAt(stream, partition);
    if (offset > view.end) await attachment.refresh();
    yield* readSegments(view, Number(offset), {
      salt: identity.salt,
      signal: AbortSignal.any([options.signal, closing]),
      until: options.until === undefined ? undefined : Number(options.until),
      maxBatchBytes: options.maxBatchBytes ?? maxBatchBytesDefault,
      reuse: options.reuse ?? false,
    });
  }

  async function* readPartition(
    stream: string,
    partition: number,
    { group, signal, from, maxBatchBytes, reuse }: GroupOptions,
  ): AsyncGenerator<GroupBatch> {
    const { view } = partitionAt(stream, partition);
    await attachment.refresh();
    const chosen = await from?.(partition, endsOf(view));
    const committed = positions.list(stream).find(entry => entry.group === group && entry.partition === partition);
    const start = chosen ?? committed?.offset ?? BigInt(view.earliest);
    for await (const batch of fetch(stream, partition, start, { signal, maxBatchBytes, reuse })) {
      yield { ...batch, commit: async () => positions.commit(stream, group, partition, batch.nextOffset) };
    }
  }

  function endsOf(view: PartitionView) {
    const { partition, earliest, end } = view;
    return { partition, logId: identity.logId, earliest: BigInt(earliest), end: BigInt(end) };
  }

  let closed: Promise<void> | undefined;
  return {
    async append(stream, records, partition) {
      const list = partitionsOf(stream);
      if (records.length === 0) return;
      checkRecords(records);
      if (partition !== undefined) return partitionAt(stream, partition).queue.push(records);
      if (list.length === 1) return list[0]!.queue.push(records);
      const groups = Map.groupBy(records, ({ key }) => partitionOf(key, list.length));
      await Promise.all([...groups].map(([number, group]) => list[number]!.queue.push(group)));
    },
    async *read(stream, options) {
      const left = new AbortController();
      const signal = AbortSignal.any([options.signal, left.signal]);
      const readers = partitionsOf(stream).map(({ view }) =>
        readPartition(stream, view.partition, { ...options, signal }),
      );
      try {
        yield* mergeBatches(readers);
      } finally {
        left.abort();
      }
    },
    fetch,
    async ends(stream) {
      const list = partitionsOf(stream);
      await attachment.refresh();
      return list.map(({ view }) => endsOf(view));
    },
    groups: async stream => {
      partitionsOf(stream);
      return positions.list(stream);
    },
    health: () => attachment.health(),
    stats() {
      const list = [...streams.values()].flat().map(({ view: { stream, partition, earliest, end, bytes } }) => {
        return { stream, partition, earliest, end, bytes };
      });
      return { bytes: list.reduce((sum, { bytes }) => sum + bytes, 0), partitions: list };
    },
    close() {
      closed ??= attachment.close();
      return closed;
    },
  };
}
