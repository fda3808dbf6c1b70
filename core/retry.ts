import { setTimeout as wait } from 'node:timers/promises';
import { AppError } from './errors.ts';

export interface Backoff {
  firstMs: number;
  maxMs: number;
  /** 0 <= random() < 1; injected so that tests and the simulator stay deterministic. */
  random?: () => number;
}

/**
 * Milliseconds to wait before attempt number `attempt` (1, 2, 3 ...): "full jitter", uniform between 0 and the doubled
 * limit, but never below a tenth of it, so that a fleet that lost its broker does not come back as one wave.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function backoffMs(attempt: number, { firstMs, maxMs, random = Math.random }: Backoff): number {
  const limitMs = Math.min(maxMs, firstMs * 2 ** (attempt - 1));
  return Math.round(limitMs * (0.1 + 0.9 * random()));
}

/**
 * Calls `work` until it resolves. Gives up at once on an error that is not retryable, and rejects with the abort reason
 * when `signal` aborts. `onRetry` hears of every failure and of the wait that follows.
 */
export async function retry<T>(
  work: () => Promise<T>,
  {
    signal,
    backoff,
    onRetry,
  }: { signal: AbortSignal; backoff: Backoff; onRetry?: (error: AppError, waitMs: number) => void },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError) || !error.retryable) throw error;
      const waitMs = backoffMs(attempt, backoff);
      onRetry?.(error, waitMs);
      await wait(waitMs, undefined, { signal });
    }
  }
}
