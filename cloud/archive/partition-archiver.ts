import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AppError } from '../../core/errors.ts';
import type { Logger } from '../../core/logging.ts';
import { type Backoff, retry } from '../../core/retry.ts';
import type { EventLog, GroupBatch, PartitionEnds } from '../../log/event-log.ts';
import { checkPosition } from '../../log/position.ts';
import { markRecord } from '../../log/record.ts';
import { archiveErrors } from './archive-errors.ts';
import { type Chain, type Entry, entryKey, log8Of, parseEntry } from './manifest.ts';
import type { ObjectStore } from './object-store.ts';
import type { Committed } from './pack-sweep.ts';
import type { RunWriter } from './run-writer.ts';
import { type Run, RunCutter, type RunLimits } from './runs.ts';

const backoff: Backoff = { firstMs: 100, maxMs: 10_000 };
/** Records that are looked at in one go. */
const sliceRecords = 512;

export interface PartitionDeps {
  log: EventLog;
  objects: ObjectStore;
  runWriter: RunWriter;
  limits: RunLimits;
  logger: Logger;
  signal: AbortSignal;
  now: () => number;
}

/** Archives one partition of one stream. `take` is called for one batch at a time, in order. */
export class PartitionArchiver {
  readonly stream: string;
  readonly partition: number;
  #deps: PartitionDeps;
  #logId: string;
  #cutter: RunCutter;
  #last: Entry | undefined;
  #follows: string | undefined;
  #position: bigint;
  #archived: bigint;
  #ahead: GroupBatch | undefined;
  #openedAtMs = 0;
  #markedRun: bigint | undefined;

  recordsArchived = 0;
  objects = 0;
  /** What stopped it for good: it reads no further until somebody has looked and the stage starts anew. */
  stopped: AppError | undefined;
  /** What it is waiting to try again after. */
  failing: AppError | undefined;

  private constructor(
    { stream, partition, logId }: { stream: string; partition: number; logId: string },
    { last, follows, start }: { last: Entry | undefined; follows: string | undefined; start: bigint },
    deps: PartitionDeps,
  ) {
    this.stream = stream;
    this.partition = partition;
    this.#logId = logId;
    this.#deps = deps;
    this.#last = last;
    this.#follows = follows;
    this.#cutter = new RunCutter(deps.limits, last?.timeMs ?? 0);
    this.#position = start;
    this.#archived = start;
  }

  /** Finds where to go on: writes the entries that objects lack, then checks the last entry against the log (A3, L1). */
  static async open(
    stream: string,
    { partition, logId, earliest }: PartitionEnds,
    chains: ReadonlyMap<string, Chain>,
    deps: PartitionDeps,
  ): Promise<PartitionArchiver> {
    const lasts = new Map<string, Entry>();
    for (const [log8, chain] of chains) {
      const last = await completeChain(chain, deps);
      if (last !== undefined) lasts.set(log8, last);
    }
    const last = lasts.get(log8Of(logId));
    const start = last?.next ?? earliest;
    const follows = last === undefined ? newestOf([...lasts.values()]) : undefined;
    const archiver = new PartitionArchiver({ stream, partition, logId }, { last, follows, start }, deps);
    if (last === undefined) {
      if (earliest > 0n) {
        deps.logger.error({ stream, partition, from: '0', to: String(earliest) }, 'the log begins behind the archive');
      }
      return archiver;
    }
    const { signal } = deps;
    const position = { logId, offset: last.next, crc: last.crc };
    const check = await checkPosition(deps.log, stream, partition, position, signal);
    if (check.kind === 'gap') {
      const { from, to, reason } = check;
      archiver.halt(archiveErrors.POSITION({ stream, partition, from, to, reason }));
    } else if (check.kind === 'retained-away' && check.earliest > last.next) {
      const range = { from: last.next, to: check.earliest };
      archiver.halt(archiveErrors.POSITION({ stream, partition, ...range, reason: 'left the log unarchived' }));
    }
    return archiver;
  }

  /** The next record it wants. */
  get position(): bigint {
    return this.#position;
  }

  /** Behind the last run that is archived. */
  get archived(): bigint {
    return this.#archived;
  }

  /** What is committed of the log it reads; undefined: nothing. */
  get committed(): Committed | undefined {
    return this.#last && { partition: this.partition, log8: log8Of(this.#logId), next: this.#last.next };
  }

  get hasOpenRun(): boolean {
    return this.#cutter.open !== undefined;
  }

  /** When the open run will be closed at the latest. */
  get dueAtMs(): number | undefined {
    return this.hasOpenRun ? this.#openedAtMs + this.#deps.limits.windowMs : undefined;
  }

  halt(error: AppError): void {
    this.stopped = error;
    this.#deps.logger.error({ stream: this.stream, partition: this.partition, error }, 'a partition is not archived');
  }

  /** Cuts a batch and archives the runs that it closes. Rejects when `signal` aborts; what stops the partition is in `stopped`. */
  async take(batch: GroupBatch): Promise<void> {
    const { logger, signal, now } = this.#deps;
    let committed = false;
    for (const [index, record] of batch.records.entries()) {
      if (record.offset < this.#position) continue;
      const before = this.#cutter.open?.from;
      const run = this.#cutter.add(record);
      if (run !== undefined) {
        this.#last = await this.#archive(run);
        this.#archived = run.next;
        committed = true;
      }
      const opened = this.#cutter.open?.from;
      if (opened === undefined) this.#archived = record.offset + 1n;
      else if (opened !== before) this.#openedAtMs = now();
      this.#position = record.offset + 1n;
      if (index % sliceRecords === sliceRecords - 1) await nextTurn();
    }
    // Only what is archived is committed: the batch itself, or the one before it, where the open run began in this one.
    const done = this.hasOpenRun ? (committed ? this.#ahead : undefined) : batch;
    this.#ahead = batch;
    if (done === undefined) return;
    await retry(() => done.commit(), {
      signal,
      backoff,
      onRetry: error => logger.warn({ stream: this.stream, partition: this.partition, error }, 'commit failed'),
    });
  }

  /** Closes an open run that is a window old by our clock, by a mark in the log (A1). */
  async markIfDue(): Promise<void> {
    const open = this.#cutter.open;
    if (open === undefined || this.stopped !== undefined || this.#markedRun === open.from) return;
    if (this.#deps.now() < this.dueAtMs!) return;
    await this.mark();
    this.#markedRun = open.from;
  }

  async mark(): Promise<void> {
    await this.#deps.log.append(this.stream, [markRecord('archive')], this.partition);
  }

  async #archive(run: Run): Promise<Entry> {
    const { runWriter, signal, logger } = this.#deps;
    const place = { stream: this.stream, partition: this.partition };
    const before = { last: this.#last, follows: this.#follows };
    const entry = await retry(() => runWriter.write(this.partition, this.#logId, run, before, signal), {
      signal,
      backoff,
      onRetry: (error, waitMs) => {
        if (this.failing === undefined) logger.warn({ ...place, waitMs, error }, 'archiving waits');
        this.failing = error;
      },
    });
    this.failing = undefined;
    this.recordsArchived += run.count;
    this.objects++;
    logger.debug({ ...place, object: entry.object, records: run.count, bytes: entry.bytes }, 'archived');
    return entry;
  }
}

/** Writes the entries that objects of a chain lack, in order, and gives the last entry. */
async function completeChain(chain: Chain, { objects, runWriter }: PartitionDeps): Promise<Entry | undefined> {
  const read = async ({ key }: { key: string }) => parseEntry(key, await objects.get(key));
  const known = new Map(chain.entries.map(entry => [entry.from, entry]));
  let last: Entry | undefined;
  let lastKnown: { key: string } | undefined;
  for (const { key, from } of chain.objects) {
    const entry = known.get(from);
    if (entry !== undefined) {
      lastKnown = entry;
      continue;
    }
    if (lastKnown !== undefined) last = await read(lastKnown);
    lastKnown = undefined;
    last = await runWriter.restoreEntry(key, last);
  }
  const newest = chain.entries.at(-1);
  return newest !== undefined && (last === undefined || newest.from > last.from) ? read(newest) : last;
}

/** Key of the entry that a new log's first run goes on from: the drones may send again what the log before it held. */
function newestOf(lasts: readonly Entry[]): string | undefined {
  const [newest] = lasts.toSorted((a, b) => b.timeMs - a.timeMs || (a.logId < b.logId ? -1 : 1));
  return newest && entryKey({ ...newest, log8: log8Of(newest.logId) });
}
