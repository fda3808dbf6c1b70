import type { StoredRecord } from '../../log/event-log.ts';
import { isMark, recordBytes } from '../../log/record.ts';

/** Where a partition is cut (A1). Fixed when a stream is first archived: other limits would make other objects. */
export interface RunLimits {
  maxRecords: number;
  /** Of key + headers + payload. */
  maxBytes: number;
  windowMs: number;
}

/** A closed run: the records [from, next) of a partition, which become one object. */
export interface Run {
  from: bigint;
  next: bigint;
  /** Records that are no marks. */
  count: number;
  /** T at its first record: the object's day. */
  firstTimeMs: number;
  /** T at its end; T is the greatest log time so far in the partition. */
  timeMs: number;
}

interface OpenRun extends Run {
  bytes: number;
  window: number;
}

/**
 * Cuts one partition into runs by its records alone (A1): fed the same records from any run's beginning it gives the same
 * runs, whatever batches they come in.
 */
export class RunCutter {
  #limits: RunLimits;
  #timeMs: number;
  #open: OpenRun | undefined;

  /** `timeMs` is T where the cutting begins: 0 at the start of the log, else that of the run before. */
  constructor(limits: RunLimits, timeMs: number) {
    this.#limits = limits;
    this.#timeMs = timeMs;
  }

  get open(): Readonly<Run> | undefined {
    return this.#open;
  }

  /** Takes the next record, and gives the run that it closes: a mark its own, another record the one before it. */
  add(record: StoredRecord): Run | undefined {
    const timeMs = Math.max(this.#timeMs, record.timeMs);
    this.#timeMs = timeMs;
    const next = record.offset + 1n;
    if (isMark(record)) {
      const ended = this.#open;
      this.#open = undefined;
      return ended && closed({ ...ended, next, timeMs });
    }
    const { maxRecords, maxBytes, windowMs } = this.#limits;
    const bytes = recordBytes(record);
    const window = Math.floor(timeMs / windowMs);
    const run = this.#open;
    if (run !== undefined && run.count + 1 <= maxRecords && run.bytes + bytes <= maxBytes && run.window === window) {
      Object.assign(run, { next, timeMs, count: run.count + 1, bytes: run.bytes + bytes });
      return undefined;
    }
    this.#open = { from: record.offset, next, count: 1, firstTimeMs: timeMs, timeMs, bytes, window };
    return run && closed(run);
  }
}

function closed({ from, next, count, firstTimeMs, timeMs }: OpenRun): Run {
  return { from, next, count, firstTimeMs, timeMs };
}
