import { defineErrors } from './errors.ts';

export const serviceErrors = defineErrors('SERVICE', {
  STOP_TIMEOUT: { message: 'Still running {deadlineMs} ms after the stop: {names}' },
});

/** What `/health` says of one stage. `ok` means that data flows, not that a process exists. */
export interface Health {
  ok: boolean;
  /** One sentence for the operator: what is wrong and which setting or group to look at. With `ok` all goes on without him. */
  problem?: string;
  /** Numbers worth seeing: lag, bytes, counts. Units in the names. */
  detail?: Record<string, unknown>;
}

/** A running stage. `startX(config, deps)` resolves with one when it can do its work, or rejects having undone what it opened. */
export interface Service {
  readonly name: string;
  /** Settles once the service is down: with the error that brought it down, or undefined after `stop()`. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  health(): Health;
  /** Finishes the work in flight and closes; calling it again gives the same promise. */
  stop(): Promise<void>;
}

/** The two halves of a service's life in one place: `closed`, `failed(error)` and an idempotent `stop`. */
export function serviceLife(shutDown: () => Promise<void>): {
  closed: Promise<Error | undefined>;
  failed(error: Error): void;
  stop(): Promise<void>;
} {
  const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= shutDown().then(
      () => resolve(undefined),
      error => {
        resolve(error);
        throw error;
      },
    );
    return stopping;
  };
  return {
    closed,
    stop,
    failed(error) {
      resolve(error);
      stop().catch(() => {}); // the error that brought it down is already told
    },
  };
}

/**
 * Stops services in the order given, each when the one before is down, under one deadline for all.
 * Rejects with `SERVICE_STOP_TIMEOUT` naming those still running when the deadline passes.
 */
export async function stopAll(services: readonly Service[], deadlineMs: number): Promise<void> {
  const waiting = new Set(services.map(service => service.name));
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const names = [...waiting].join(', ');
      reject(serviceErrors.STOP_TIMEOUT({ deadlineMs, names }));
    }, deadlineMs);
  });
  const stopping = (async () => {
    const failures: unknown[] = [];
    for (const service of services) {
      await service.stop().catch(error => failures.push(error));
      waiting.delete(service.name);
    }
    if (failures.length > 0) throw failures[0];
  })();
  try {
    await Promise.race([stopping, deadline]);
  } finally {
    clearTimeout(timer);
    stopping.catch(() => {}); // a failure after the deadline has nobody left to tell
  }
}
