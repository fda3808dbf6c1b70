import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AppError } from '../core/errors.ts';
import { newUlid, ulidPattern } from '../core/ids.ts';
import type { Logger } from '../core/logging.ts';
import type { Health } from '../core/service.ts';
import type { Sink } from './append-queue.ts';
import { logErrors } from './event-log.ts';
import type { GroupPositions } from './group-positions.ts';
import { LogClock } from './log-clock.ts';
import type { PartitionView } from './partition-view.ts';
import { type GroupPosition, holdersOf, planRetention, reasonOfFullness } from './retention.ts';
import { createFile, makeFolder, segmentPath, type WriteCalls } from './segment-files.ts';
import { recoverPartition } from './segment-recovery.ts';
import { SegmentWriter } from './segment-writer.ts';

export interface LogLimits {
  segmentBytes: number;
  retainBytes: number;
  retainMs: number;
  maxBytes: number;
}

export interface LogIdentity {
  logId: string;
  /** Begins every checksum of this log. */
  salt: number;
}

const retentionIntervalMs = 5000;
/** A full log that found nothing to leave looks again after this. */
const fullCheckIntervalMs = 250;
const segmentAgeMinMs = 10 * 60 * 1000;

/** Reads who this log is, or decides it. Only for the holder of the lock. */
export async function identifyLog(folder: string): Promise<LogIdentity> {
  const saltPath = join(folder, 'salt');
  const idPath = join(folder, 'id');
  const salt = await readOrCreate(saltPath, /^[0-9a-f]{8}$/, () => randomBytes(4).toString('hex'));
  const logId = await readOrCreate(idPath, new RegExp(ulidPattern), () => newUlid());
  return { logId, salt: Number.parseInt(salt, 16) };
}

/** A log without an id is a restored one (L1). With a new salt every record would look torn and be cut. */
async function readOrCreate(path: string, pattern: RegExp, make: () => string): Promise<string> {
  const found = await readFile(path, 'utf8').catch(error => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  const text = found?.trim() ?? '';
  if (pattern.test(text)) return text;
  const restored = found === undefined && path.endsWith('id');
  if (!restored && (await holdsSegments(dirname(path)))) throw logErrors.IDENTITY({ path });
  const made = make();
  if (found !== undefined) await rm(path);
  await createFile(path, `${made}\n`);
  return made;
}

async function holdsSegments(folder: string): Promise<boolean> {
  const names = await readdir(folder, { recursive: true });
  return names.some(name => name.endsWith('.seg'));
}

/** Creates what is missing of a stream's folders. The count is fixed by the highest folder there is (L8). */
export async function preparePartitions(
  logFolder: string,
  stream: string,
  wanted: number | undefined,
): Promise<number> {
  const folder = join(logFolder, stream);
  await makeFolder(folder);
  const numbers = (await readdir(folder)).filter(name => /^\d+$/.test(name)).map(Number);
  const count = numbers.length > 0 ? Math.max(...numbers) + 1 : (wanted ?? 1);
  if (wanted !== undefined && wanted !== count) throw logErrors.PARTITIONS({ stream, partitions: count, wanted });
  // The highest first: a crash in between leaves the count right.
  for (let partition = count - 1; partition >= 0; partition--) {
    if (!numbers.includes(partition)) await makeFolder(join(folder, String(partition)));
  }
  return count;
}

export interface OwnerOptions {
  limits: LogLimits;
  logger: Logger;
  positions: GroupPositions;
  now: () => number;
  monotonicMs: () => number;
}

interface Owned {
  view: PartitionView;
  writer: SegmentWriter;
  archived: boolean;
}

/** The one writer of a log's segments in all processes, with retention. */
export class LogOwner {
  readonly clock: LogClock;
  #limits: LogLimits;
  #logger: Logger;
  #positions: GroupPositions;
  #now: () => number;
  #owned = new Map<PartitionView, Owned>();
  #lastPositions = new Map<string, GroupPosition[]>();
  #failures = new Map<PartitionView, AppError>();
  #timer: NodeJS.Timeout | undefined;
  #fullCheckedAtMs = Number.NEGATIVE_INFINITY;
  #deleting: Promise<unknown> = Promise.resolve();

  private constructor(options: OwnerOptions) {
    this.#limits = options.limits;
    this.#logger = options.logger;
    this.#positions = options.positions;
    this.#now = options.now;
    this.clock = new LogClock(options.now, options.monotonicMs);
  }

  /** Recovers every partition of `views`, of which some may be in use by readers already. */
  static async open(
    views: readonly { view: PartitionView; archived: boolean }[],
    salt: number,
    calls: WriteCalls,
    options: OwnerOptions,
  ): Promise<LogOwner> {
    const owner = new LogOwner(options);
    const { limits, logger } = options;
    await Promise.all(
      views.map(async ({ view, archived }) => {
        const recovered = await recoverPartition(view.folder, salt);
        const { stream, partition } = view;
        if (recovered.cutBytes > 0) {
          logger.info({ stream, partition, bytes: recovered.cutBytes }, 'unfinished write cut off');
        }
        if (recovered.damaged) logger.error({ stream, partition }, 'damaged records in the newest segment');
        const writer = new SegmentWriter(view, recovered, {
          salt,
          calls,
          clock: owner.clock,
          segmentBytes: limits.segmentBytes,
          segmentAgeMs: Math.max(segmentAgeMinMs, limits.retainMs / 4),
          refusal: () => owner.#refusal(),
          onSettled: error => {
            if (error === undefined) owner.#failures.delete(view);
            else owner.#failures.set(view, error);
          },
        });
        owner.#owned.set(view, { view, writer, archived });
      }),
    );
    owner.#retain();
    owner.#timer = setInterval(() => owner.#retain(), retentionIntervalMs).unref();
    return owner;
  }

  sink(view: PartitionView): Sink {
    const { writer } = this.#owned.get(view)!;
    return (block, done) => writer.commit(block, done);
  }

  health(): Health {
    const detail: Record<string, unknown> = { bytes: this.#bytes(), maxBytes: this.#limits.maxBytes };
    if (this.clock.step !== undefined) detail.clockStep = this.clock.step;
    if (this.clock.behindMs > 0) detail.clockBehindMs = this.clock.behindMs;
    const full = this.#full();
    if (full !== undefined) return { ok: false, problem: full.message, detail: { ...detail, ...full.detail } };
    const failure = this.#failures.values().next().value;
    return failure === undefined ? { ok: true, detail } : { ok: false, problem: failure.message, detail };
  }

  /** Nothing may be on its way any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#deleting;
    await Promise.all([...this.#owned.values()].map(({ writer }) => writer.close()));
  }

  #bytes(): number {
    let bytes = 0;
    for (const view of this.#owned.keys()) bytes += view.bytes;
    return bytes;
  }

  #refusal(): AppError | undefined {
    if (this.#bytes() < this.#limits.maxBytes) return undefined;
    const nowMs = performance.now();
    if (nowMs - this.#fullCheckedAtMs > fullCheckIntervalMs) {
      this.#retain();
      if (this.#bytes() >= this.#limits.maxBytes) this.#fullCheckedAtMs = nowMs;
    }
    return this.#full();
  }

  #full(): AppError | undefined {
    const bytes = this.#bytes();
    const { maxBytes } = this.#limits;
    return bytes < maxBytes ? undefined : logErrors.FULL({ bytes, maxBytes, ...reasonOfFullness(this.#held()) });
  }

  /** While the groups' file cannot be read what was read last counts: it is older, so it holds more. */
  #positionsOf(stream: string): GroupPosition[] {
    try {
      const found = this.#positions.list(stream);
      this.#lastPositions.set(stream, found);
      return found;
    } catch (error) {
      this.#logger.warn({ error, stream }, 'positions of groups cannot be read');
      return this.#lastPositions.get(stream) ?? [];
    }
  }

  #held() {
    return [...this.#owned.values()].map(({ view, writer, archived }) => {
      const { stream, partition, bytes, end } = view;
      const holders = holdersOf(view, archived, archived ? this.#positionsOf(stream) : []);
      return { stream, partition, bytes, end, segments: writer.segments, holders };
    });
  }

  #retain(): void {
    const olderThanMs = this.#now() - this.#limits.retainMs;
    const counts = planRetention(this.#held(), { olderThanMs, retainBytes: this.#limits.retainBytes });
    [...this.#owned.values()].forEach(({ view, writer }, index) => {
      if (counts[index] === 0) return;
      const paths = writer.drop(counts[index]!).map(({ base }) => segmentPath(view.folder, base));
      const { stream, partition, earliest } = view;
      this.#logger.debug({ stream, partition, segments: paths.length, earliest }, 'archived segments left the log');
      this.#deleting = this.#deleting.then(() =>
        Promise.all(paths.map(path => rm(path, { force: true }))).catch(error =>
          this.#logger.warn({ error, stream }, 'archived segments could not be deleted'),
        ),
      );
    });
  }
}
