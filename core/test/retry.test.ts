import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../errors.ts';
import { backoffMs, retry } from '../retry.ts';

test('the wait doubles up to its limit and is spread between a tenth of it and the whole', () => {
  const at = (attempt: number, random: number) =>
    backoffMs(attempt, { firstMs: 100, maxMs: 1000, random: () => random });
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(attempt => at(attempt, 1)),
    [100, 200, 400, 800, 1000],
  );
  assert.equal(at(5, 0), 100);
});

test('what may succeed later is tried again, what may not is thrown at once', async () => {
  const { signal } = new AbortController();
  const backoff = { firstMs: 1, maxMs: 1 };
  let calls = 0;
  const value = await retry(
    async () => {
      if (++calls < 3) throw new AppError('X_BUSY', 'busy', { retryable: true });
      return 'done';
    },
    { signal, backoff },
  );
  assert.deepEqual([value, calls], ['done', 3]);
  await assert.rejects(
    retry(() => Promise.reject(new AppError('X_BROKEN', 'broken')), { signal, backoff }),
    /broken/,
  );
});

test('an abort ends the waiting', async () => {
  const abort = new AbortController();
  const failing = retry(() => Promise.reject(new AppError('X_BUSY', 'busy', { retryable: true })), {
    signal: abort.signal,
    backoff: { firstMs: 60_000, maxMs: 60_000 },
    onRetry: () => queueMicrotask(() => abort.abort()),
  });
  await assert.rejects(failing, { name: 'AbortError' });
});
