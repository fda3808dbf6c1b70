import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../core/logging.ts';
import type { Health } from '../core/service.ts';
import { streams as allStreams, type Stream } from '../core/streams.ts';
import { AppendQueue, checkRecords } from './append-queue.ts';
import { type EventLog, type GroupBatch, type GroupOptions, logErrors, type RecordBatch } from './event-log.ts';
import { GroupPositions } from './group-positions.ts';
import { identifyLog, type LogIdentity, type LogLimits, LogOwner, preparePartitions } from './log-owner.ts';
import { mergeBatches } from './merge.ts';
import { type OwnerLock, takeOwnerLock } from './owner-lock.ts';
import { PartitionView } from './partition-view.ts';
import { partitionOf } from './partitioner.ts';
import { makeFolder, realWriteCalls, type WriteCalls } from './segment-files.ts';
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
export const lacks: readonly string[] = ['sharing partitions among the members of a group'];

const maxBatchBytesDefault = 4 * 1024 * 1024;

interface Partition {
  view: PartitionView;
  queue: AppendQueue;
}

export async function openEmbeddedLog(
  dataDir: string,
  limits: LogLimits,
  deps: EmbeddedDeps,
): Promise<EmbeddedEventLog> {
  const { logger, now = Date.now, monotonicMs = () => performance.now(), partitions = {} } = deps;
  const table = deps.streams ?? allStreams;
  const folder = join(dataDir, 'log');
  await makeFolder(folder);
  const closing = new AbortController();
  const streams = new Map<string, Partition[]>();
  let identity: LogIdentity;
  let positions: GroupPositions;
  let owner: LogOwner | undefined;
  let lock: OwnerLock | undefined;

  lock = await takeOwnerLock(folder);
  if (lock === undefined) throw logErrors.OWNED({ dataDir: await realpath(dataDir), pid: '?' });
  identity = await identifyLog(folder);
  positions = new GroupPositions(folder, identity.logId);
  const views = [];
  const counts = await Promise.all(table.map(({ name }) => preparePartitions(folder, name, partitions[name])));
  for (const [index, { name, archived }] of table.entries()) {
    const list = Array.from({ length: counts[index]! }, (_, partition) => ({
      view: new PartitionView(name, partition, join(folder, name, String(partition))),
      queue: new AppendQueue(),
    }));
    streams.set(name, list);
    views.push(...list.map(({ view }) => ({ view, archived })));
  }
  owner = await LogOwner.open(views, identity.salt, deps.writeCalls ?? realWriteCalls, {
    limits,
    logger,
    positions,
    now,
    monotonicMs,
  });
  for (const list of streams.values()) {
    for (const { view, queue } of list) queue.connect(owner.sink(view));
  }

  function partitionsOf(stream: string): readonly Partition[] {
    if (closing.signal.aborted) throw logErrors.CLOSED();
    const found = streams.get(stream);
    if (found === undefined) throw logErrors.UNKNOWN_STREAM({ stream });
    return found;
  }

  function partitionAt(stream: string, partition: number): Partition {
    const found = partitionsOf(stream)[partition];
    if (found === undefined) throw new TypeError(`stream ${stream} has no partition ${partition}`);
    return found;
  }

  function fetch(
    stream: string,
    partition: number,
    offset: bigint,
    options: { signal: AbortSignal; until?: bigint; maxBatchBytes?: number },
  ): AsyncGenerator<RecordBatch> {
    return readSegments(partitionAt(stream, partition).view, Number(offset), {
      salt: identity.salt,
      signal: AbortSignal.any([options.signal, closing.signal]),
      until: options.until === undefined ? undefined : Number(options.until),
      maxBatchBytes: options.maxBatchBytes ?? maxBatchBytesDefault,
    });
  }

  async function* readPartition(
    stream: string,
    partition: number,
    { group, signal, from, maxBatchBytes }: GroupOptions,
  ): AsyncGenerator<GroupBatch> {
    const { view } = partitionAt(stream, partition);
    const chosen = await from?.(partition, endsOf(view));
    const committed = positions.list(stream).find(entry => entry.group === group && entry.partition === partition);
    const start = chosen ?? committed?.offset ?? BigInt(view.earliest);
    for await (const batch of fetch(stream, partition, start, { signal, maxBatchBytes })) {
      yield { ...batch, commit: async () => positions.commit(stream, group, partition, batch.nextOffset) };
    }
  }

  function endsOf(view: PartitionView) {
    const { partition, earliest, end } = view;
    return { partition, logId: identity.logId, earliest: BigInt(earliest), end: BigInt(end) };
  }

  let closed: Promise<void> | undefined;
  async function shutDown(): Promise<void> {
    closing.abort();
    const queues = [...streams.values()].flat().map(({ queue }) => queue);
    await Promise.all(queues.map(queue => queue.drained()));
    await owner?.close();
    lock?.release();
    positions.close();
  }

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
    read: (stream, options) =>
      mergeBatches(partitionsOf(stream).map(({ view }) => readPartition(stream, view.partition, options))),
    fetch,
    ends: async stream => partitionsOf(stream).map(({ view }) => endsOf(view)),
    groups: async stream => {
      partitionsOf(stream);
      return positions.list(stream);
    },
    health: () => owner?.health() ?? { ok: true },
    stats() {
      const list = [...streams.values()].flat().map(({ view: { stream, partition, earliest, end, bytes } }) => {
        return { stream, partition, earliest, end, bytes };
      });
      return { bytes: list.reduce((sum, { bytes }) => sum + bytes, 0), partitions: list };
    },
    close() {
      closed ??= shutDown();
      return closed;
    },
  };
}
