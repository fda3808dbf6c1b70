import { mkdir } from 'node:fs/promises';
import type { Config } from '../core/config.ts';
import { logErrors } from './event-log.ts';
import type { EmbeddedDeps, EmbeddedEventLog } from './event-log-embedded.ts';

export type LogConfig = Pick<
  Config,
  'DATA_DIR' | 'LOG_URL' | 'LOG_SEGMENT_BYTES' | 'LOG_RETAIN_BYTES' | 'LOG_RETAIN_HOURS' | 'LOG_MAX_BYTES'
>;

/**
 * Opens the event log that LOG_URL names; unset: the embedded one below DATA_DIR. Codes: `LOG_NO_ADAPTER`, `LOG_OWNED`
 * (role `bridge` only: another bridge writes this log), `LOG_UNAVAILABLE`, `LOG_PARTITIONS`.
 */
export async function openEventLog(config: LogConfig, deps: EmbeddedDeps): Promise<EmbeddedEventLog> {
  if (config.LOG_URL !== undefined) throw logErrors.NO_ADAPTER({ url: config.LOG_URL });
  await mkdir(config.DATA_DIR, { recursive: true }).catch(error => {
    throw logErrors.DATA_DIR({ dataDir: config.DATA_DIR, reason: error.message }, error);
  });
  const { openEmbeddedLog } = await import('./event-log-embedded.ts');
  return openEmbeddedLog(
    config.DATA_DIR,
    {
      // Every stream keeps its newest segment, so together those must stay below the limit.
      segmentBytes: Math.min(config.LOG_SEGMENT_BYTES, Math.floor(config.LOG_MAX_BYTES / 16)),
      // What may leave does so before the limit is reached, whatever was set.
      retainBytes: Math.min(config.LOG_RETAIN_BYTES, Math.floor(config.LOG_MAX_BYTES * 0.8)),
      retainMs: config.LOG_RETAIN_HOURS * 3_600_000,
      maxBytes: config.LOG_MAX_BYTES,
    },
    deps,
  );
}
