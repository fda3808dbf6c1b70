import { retry } from '../core/retry.ts';
import type { EventLog, RecordBatch } from '../log/event-log.ts';

const backoff = { firstMs: 100, maxMs: 2000 };

/**
 * Applies every batch of a stream, in order within each partition: first, before this resolves, those up to the present
 * end when `from` is 'start', then in the background those that come. `ended` settles when `signal` aborts or reading fails for good.
 */
export async function follow(
  log: EventLog,
  stream: string,
  { from, apply, signal }: { from: 'start' | 'end'; apply: (batch: RecordBatch) => void; signal: AbortSignal },
): Promise<{ ended: Promise<void> }> {
  const tails: Promise<void>[] = [];
  for (const { partition, earliest, end } of await log.ends(stream)) {
    if (from === 'start' && end > earliest) {
      for await (const batch of log.fetch(stream, partition, earliest, { signal, until: end })) apply(batch);
    }
    tails.push(tail(partition, end));
  }
  return { ended: Promise.all(tails).then(() => {}) };

  async function tail(partition: number, begin: bigint): Promise<void> {
    let offset = begin;
    try {
      await retry(
        async () => {
          for await (const batch of log.fetch(stream, partition, offset, { signal })) {
            apply(batch);
            offset = batch.nextOffset;
          }
        },
        { signal, backoff },
      );
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
