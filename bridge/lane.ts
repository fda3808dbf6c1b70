import { type AppError, defineErrors } from '../core/errors.ts';
import type { Headers, LogRecord } from '../log/event-log.ts';

export const laneErrors = defineErrors('BRIDGE', {
  APPEND_TIMEOUT: {
    message: 'The log did not store a message within BRIDGE_APPEND_TIMEOUT_MS ({timeoutMs} ms)',
    retryable: true,
  },
  RESERVED: {
    message: 'The disk has less than half of LOG_RESERVE_BYTES left, which frames may not use',
    retryable: true,
  },
  APPEND_FAILED: { message: 'The log could not store a message of this connection', retryable: true },
});

/** One connection's place in the lane. Once failed, nothing of it is appended again (B2): it is closed. */
export interface Sender {
  failed: boolean;
}

export type Done = (error?: AppError) => void;

/** A record on its way: the record itself carries what the lane must know, so that a message costs one object. */
interface Entry extends LogRecord {
  stream: string;
  sender: Sender;
  done: Done;
}

export interface Lane {
  /** Takes a record at once, in call order. `done` is called once, in order of arrival for each sender (B1). */
  push(stream: string, key: string, headers: Headers, payload: Uint8Array, sender: Sender, done: Done): void;
  /** True while an append has outlived its time-out: nothing is sent until it settles. */
  stuck(): boolean;
  counts(): { waiting: number; inFlight: number; stored: number; failed: number };
  /** Resolves when nothing waits and nothing is in flight. */
  idle(): Promise<void>;
}

export interface LaneOptions {
  append: (stream: string, records: readonly LogRecord[]) => Promise<void>;
  timeoutMs: number;
  /** Called with the streams whose append failed or timed out, and with those that stored something. */
  onSettled: (stream: string, error: AppError | undefined) => void;
}

const batchMaxRecords = 8192;
const batchMaxBytes = 8 * 1024 * 1024;

/**
 * Group commit: while one batch is on its way to the log everything that arrives waits for the next, so a slower disk
 * makes larger batches. One batch in flight (B2); after a failed record everything later of that sender fails.
 */
export function createLane({ append, timeoutMs, onSettled }: LaneOptions): Lane {
  let waiting: Entry[] = [];
  let inFlight: Entry[] = [];
  let scheduled = false;
  let busy = false;
  let stuck = false;
  let stored = 0;
  let failed = 0;
  let idleWaiters: (() => void)[] = [];

  function fail(entries: readonly Entry[], error: AppError): void {
    for (const entry of entries) {
      entry.sender.failed = true;
      failed++;
      entry.done(error);
    }
  }

  function schedule(): void {
    if (scheduled || busy || waiting.length === 0) return;
    scheduled = true;
    setImmediate(send);
  }

  function takeBatch(): Entry[] {
    let bytes = 0;
    let count = 0;
    while (count < waiting.length && count < batchMaxRecords && bytes < batchMaxBytes) {
      bytes += waiting[count++]!.payload.byteLength;
    }
    if (count === waiting.length) {
      const all = waiting;
      waiting = [];
      return all;
    }
    return waiting.splice(0, count);
  }

  async function send(): Promise<void> {
    scheduled = false;
    busy = true;
    const batch = takeBatch();
    inFlight = batch;
    const byStream = new Map<string, Entry[]>();
    for (const entry of batch) {
      const records = byStream.get(entry.stream);
      if (records === undefined) byStream.set(entry.stream, [entry]);
      else records.push(entry);
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      stuck = true;
      const error = laneErrors.APPEND_TIMEOUT({ timeoutMs });
      for (const stream of byStream.keys()) onSettled(stream, error);
      inFlight = [];
      const dropped = waiting;
      waiting = [];
      fail(batch, error);
      fail(dropped, error);
    }, timeoutMs);

    const failures = new Map<string, AppError>();
    await Promise.all(
      [...byStream].map(([stream, records]) =>
        append(stream, records).then(
          () => onSettled(stream, undefined),
          cause => {
            const error = laneErrors.APPEND_FAILED({ stream }, cause);
            failures.set(stream, error);
            onSettled(stream, error);
          },
        ),
      ),
    );
    clearTimeout(timer);
    stuck = false;
    busy = false;
    inFlight = [];
    if (!timedOut) settle(batch, failures);
    schedule();
    if (!busy && waiting.length === 0) {
      for (const wake of idleWaiters) wake();
      idleWaiters = [];
    }
  }

  function settle(batch: readonly Entry[], failures: ReadonlyMap<string, AppError>): void {
    if (failures.size === 0) {
      stored += batch.length;
      for (const entry of batch) entry.done();
      return;
    }
    const anyFailure = failures.values().next().value!;
    for (const entry of batch) {
      const error = failures.get(entry.stream);
      if (error === undefined && !entry.sender.failed) {
        stored++;
        entry.done();
      } else {
        fail([entry], error ?? anyFailure);
      }
    }
    const dropped = waiting.filter(({ sender }) => sender.failed);
    waiting = waiting.filter(({ sender }) => !sender.failed);
    fail(dropped, anyFailure);
  }

  return {
    push(stream, key, headers, payload, sender, done) {
      if (sender.failed || stuck) {
        fail([{ stream, key, headers, payload, sender, done }], laneErrors.APPEND_FAILED({ stream }));
        return;
      }
      waiting.push({ key, headers, payload, stream, sender, done });
      schedule();
    },
    stuck: () => stuck,
    counts: () => ({ waiting: waiting.length, inFlight: inFlight.length, stored, failed }),
    idle: () =>
      busy || scheduled || waiting.length > 0 ? new Promise(resolve => idleWaiters.push(resolve)) : Promise.resolve(),
  };
}
