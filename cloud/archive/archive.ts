import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Config } from '../../core/config.ts';
import { AppError, hasCode } from '../../core/errors.ts';
import type { Logger } from '../../core/logging.ts';
import type { Metrics } from '../../core/metrics.ts';
import { backoffMs } from '../../core/retry.ts';
import { type Health, type Service, serviceLife } from '../../core/service.ts';
import { type Stream, streams as streamTable } from '../../core/streams.ts';
import type { EventLog, PartitionEnds } from '../../log/event-log.ts';
import { archiveErrors } from './archive-errors.ts';
import { isPacked } from './columns.ts';
import { listChains } from './manifest.ts';
import type { ObjectStore } from './object-store.ts';
import { sweepPacks } from './pack-sweep.ts';
import { openParquetWriter } from './parquet-writer.ts';
import { PartitionArchiver } from './partition-archiver.ts';
import { RunWriter, readBytesOf } from './run-writer.ts';
import type { RunLimits } from './runs.ts';
import { fixLimits } from './stream-limits.ts';

export type ArchiveConfig = Pick<
  Config,
  | 'DATA_DIR'
  | 'ARCHIVE_RUN_MAX_RECORDS'
  | 'ARCHIVE_RUN_MAX_BYTES'
  | 'ARCHIVE_RUN_WINDOW_SECONDS'
  | 'ARCHIVE_TIME_ZONE'
  | 'ARCHIVE_MEMORY_BYTES'
>;

export interface ArchiveDeps {
  log: EventLog;
  objects: ObjectStore;
  logger: Logger;
  metrics: Metrics;
  /** UTC milliseconds; default Date.now. Decides when marks are written and garbage is swept, and nothing else. */
  now?: () => number;
  /** Default: the table in core/streams.ts. */
  streams?: readonly Stream[];
}

export interface Archive extends Service {
  counts(): {
    /** Since the start. */
    recordsArchived: number;
    objects: number;
    /** Records in the log that no object holds yet, as of some seconds ago. */
    lagRecords: number;
    /** Records in the log, gone ones too, that the archive is through with: of all partitions, marks included. */
    positionRecords: number;
    /** When the oldest open run is closed at the latest; undefined when there is none. */
    nextObjectAtMs?: number;
  };
}

const group = 'archive';
const tickMs = 1000;
const sweepEveryMs = 24 * 3600 * 1000;
/** How long a stop waits for what is in the log to be archived; it is the next start's work then. */
const drainMaxMs = 10_000;
const backoff = { firstMs: 100, maxMs: 10_000 };

/**
 * Archives every stream that the table says, by RULES A1 to A4: one reader a stream in the group `archive`, one Parquet writer
 * for all. `stop()` closes the open runs by marks, archives up to them, and commits.
 */
export async function startArchive(config: ArchiveConfig, deps: ArchiveDeps): Promise<Archive> {
  const { log, objects, logger, metrics, now = Date.now, streams = streamTable } = deps;
  const limits: RunLimits = {
    maxRecords: config.ARCHIVE_RUN_MAX_RECORDS,
    maxBytes: config.ARCHIVE_RUN_MAX_BYTES,
    windowMs: config.ARCHIVE_RUN_WINDOW_SECONDS * 1000,
  };
  const timeZone = config.ARCHIVE_TIME_ZONE;
  checkTimeZone(timeZone);
  const aborting = new AbortController();
  const { signal } = aborting;
  const writer = await openParquetWriter(join(resolve(config.DATA_DIR), 'tmp', 'archive'), config.ARCHIVE_MEMORY_BYTES);
  const partitions = new Map<string, PartitionArchiver[]>();
  const ends = new Map<string, readonly bigint[]>();

  try {
    for (const { name, kinds } of streams.filter(({ archived }) => archived)) {
      const found = await log.ends(name);
      await fixLimits(objects, name, limits, found.length);
      const chains = await listChains(objects, name);
      const runWriter = new RunWriter(name, kinds, { log, objects, writer, timeZone });
      const partitionDeps = { log, objects, runWriter, limits, logger, signal, now };
      const opened: PartitionArchiver[] = [];
      for (const entry of found) {
        opened.push(await PartitionArchiver.open(name, entry, chains.get(entry.partition) ?? new Map(), partitionDeps));
      }
      partitions.set(name, opened);
      noteEnds(name, found);
    }
  } catch (error) {
    await writer.close();
    throw error;
  }
  const all = [...partitions.values()].flat();

  const life = serviceLife(async () => {
    clearInterval(ticker);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(drainMaxMs)]);
    await Promise.all([...partitions.keys()].map(stream => drain(stream, deadline)));
    aborting.abort();
    await Promise.all([...readers, ticking]);
    await sweeping;
    await writer.close();
  });
  const readers = [...partitions.keys()].map(stream =>
    follow(stream, readBytesOf(streams.find(({ name }) => name === stream)!.kinds)).catch(error => {
      if (!signal.aborted) life.failed(error);
    }),
  );
  let ticking: Promise<void> = Promise.resolve();
  let tickRuns = false;
  let sweeping: Promise<void> = Promise.resolve();
  let sweepAtMs = Number.NEGATIVE_INFINITY;
  const ticker = setInterval(() => {
    if (tickRuns) return;
    tickRuns = true;
    ticking = tick().finally(() => {
      tickRuns = false;
    });
  }, tickMs);

  /** Reads one stream until the abort, again from where it stands after every failure that may pass. */
  async function follow(stream: string, maxBatchBytes: number): Promise<void> {
    const archivers = partitions.get(stream)!;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const from = async (partition: number, { end }: PartitionEnds) => {
          const archiver = archivers[partition]!;
          return archiver.stopped === undefined ? archiver.position : end;
        };
        for await (const batch of log.read(stream, { group, signal, from, maxBatchBytes, reuse: true })) {
          const archiver = archivers[batch.partition]!;
          if (archiver.stopped === undefined) await takeOrHalt(archiver, batch);
          failures = 0;
        }
        if (!signal.aborted) return; // the log was closed
      } catch (error) {
        if (signal.aborted) return;
        if (hasCode(error, 'LOG_GAP')) {
          archivers[Number(error.detail.partition ?? 0)]!.halt(error);
          if (archivers.every(({ stopped }) => stopped !== undefined)) return;
          continue;
        }
        if (!(error instanceof AppError) || !error.retryable) throw error;
        failures++;
        const waitMs = backoffMs(failures, backoff);
        logger.warn({ stream, waitMs, error }, 'reading waits');
        await wait(waitMs, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** An error of ours that will not pass stops the partition; the others go on. */
  async function takeOrHalt(archiver: PartitionArchiver, batch: Parameters<PartitionArchiver['take']>[0]) {
    try {
      await archiver.take(batch);
    } catch (error) {
      if (signal.aborted || !(error instanceof AppError) || error.retryable) throw error;
      archiver.halt(error);
    }
  }

  async function tick(): Promise<void> {
    for (const [stream, archivers] of partitions) {
      try {
        noteEnds(stream, await log.ends(stream));
        for (const archiver of archivers) await archiver.markIfDue();
      } catch (error) {
        logger.debug({ stream, error }, 'no mark yet'); // the next tick tries again
      }
    }
    if (now() < sweepAtMs) return;
    sweepAtMs = now() + sweepEveryMs;
    sweeping = sweep(); // beside everything else
  }

  async function sweep(): Promise<void> {
    for (const { name } of streams.filter(({ name, kinds }) => partitions.has(name) && isPacked(kinds))) {
      const committed = partitions.get(name)!.flatMap(archiver => archiver.committed ?? []);
      try {
        const removed = await sweepPacks(objects, name, { committed, nowMs: now(), signal });
        if (removed.length > 0) logger.info({ stream: name, packs: removed }, 'removed packs that no index names');
      } catch (error) {
        if (!signal.aborted) logger.warn({ stream: name, error }, 'packs were not swept; the next day tries again');
      }
    }
  }

  function noteEnds(stream: string, found: readonly { end: bigint }[]): void {
    ends.set(
      stream,
      found.map(({ end }) => end),
    );
  }

  /** Ends a stream's open runs by marks and waits until everything up to them is archived. */
  async function drain(stream: string, deadline: AbortSignal): Promise<void> {
    const archivers = partitions.get(stream)!;
    try {
      for (const { partition, end } of await log.ends(stream)) {
        const archiver = archivers[partition]!;
        if (archiver.stopped === undefined && archiver.archived < end) await archiver.mark();
      }
      const targets = await log.ends(stream);
      noteEnds(stream, targets);
      for (const { partition, end } of targets) {
        const archiver = archivers[partition]!;
        while (archiver.stopped === undefined && archiver.position < end) {
          await wait(5, undefined, { signal: deadline });
        }
      }
    } catch (error) {
      logger.warn({ stream, error }, 'stopped before everything was archived');
    }
  }

  function lagOf(stream: string): number {
    return partitions.get(stream)!.reduce((sum, { partition, archived }) => {
      const lag = Number((ends.get(stream)?.[partition] ?? 0n) - archived);
      return sum + Math.max(0, lag);
    }, 0);
  }

  const perStream = (value: (archivers: readonly PartitionArchiver[], stream: string) => number) => () =>
    [...partitions].map(([stream, archivers]) => [{ stream }, value(archivers, stream)] as const);
  metrics.counter(
    'prestacop_archive_records_total',
    'Records archived since the start.',
    perStream(archivers => sum(archivers, ({ recordsArchived }) => recordsArchived)),
  );
  metrics.counter(
    'prestacop_archive_objects_total',
    'Objects written or adopted since the start.',
    perStream(archivers => sum(archivers, archiver => archiver.objects)),
  );
  metrics.gauge(
    'prestacop_archive_lag_records',
    'Records in the log that no object holds yet.',
    perStream((_, stream) => lagOf(stream)),
  );
  metrics.gauge(
    'prestacop_archive_stopped_partitions',
    'Partitions that are not archived until somebody has looked.',
    perStream(archivers => archivers.filter(({ stopped }) => stopped !== undefined).length),
  );

  function health(): Health {
    const stopped = all.find(archiver => archiver.stopped !== undefined);
    const failing = all.find(archiver => archiver.failing !== undefined);
    const detail = counts();
    if (stopped !== undefined) {
      const { stream, partition } = stopped;
      return {
        ok: false,
        problem: `${stream} partition ${partition} is not archived: ${stopped.stopped!.message}`,
        detail,
      };
    }
    if (failing !== undefined) return { ok: false, problem: failing.failing!.message, detail };
    return { ok: true, detail };
  }

  function counts() {
    const due = all.map(({ dueAtMs }) => dueAtMs).filter(atMs => atMs !== undefined);
    return {
      recordsArchived: sum(all, ({ recordsArchived }) => recordsArchived),
      objects: sum(all, archiver => archiver.objects),
      lagRecords: [...partitions.keys()].reduce((total, stream) => total + lagOf(stream), 0),
      positionRecords: sum(all, ({ archived }) => Number(archived)),
      ...(due.length === 0 ? {} : { nextObjectAtMs: Math.min(...due) }),
    };
  }

  return { name: 'archive', closed: life.closed, health, stop: life.stop, counts };
}

function sum(archivers: readonly PartitionArchiver[], value: (archiver: PartitionArchiver) => number): number {
  return archivers.reduce((total, archiver) => total + value(archiver), 0);
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch (error) {
    throw archiveErrors.TIME_ZONE({ timeZone }, error);
  }
}
