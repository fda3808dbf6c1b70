import { hasCode } from '../../core/errors.ts';
import { archiveErrors } from './archive-errors.ts';
import type { ObjectStore } from './object-store.ts';
import type { RunLimits } from './runs.ts';

/**
 * Writes `archive/{stream}.json` when the stream is first archived, and afterwards fails with ARCHIVE_LIMITS where limits or
 * partition count are others (A1, L8): objects would be cut differently, and keys would move between partitions.
 */
export async function fixLimits(
  objects: ObjectStore,
  stream: string,
  limits: RunLimits,
  partitions: number,
): Promise<void> {
  const key = `archive/${stream}.json`;
  const wanted: Record<string, number> = {
    ARCHIVE_RUN_MAX_RECORDS: limits.maxRecords,
    ARCHIVE_RUN_MAX_BYTES: limits.maxBytes,
    ARCHIVE_RUN_WINDOW_SECONDS: limits.windowMs / 1000,
    partitions,
  };
  try {
    await objects.put(key, Buffer.from(`${JSON.stringify(wanted)}\n`));
    return;
  } catch (error) {
    if (!hasCode(error, 'OBJECTS_EXISTS')) throw error;
  }
  const stored = JSON.parse(Buffer.from(await objects.get(key)).toString('utf8')) as Record<string, number>;
  for (const [name, value] of Object.entries(wanted)) {
    if (stored[name] !== value) throw archiveErrors.LIMITS({ stream, name, stored: stored[name], wanted: value });
  }
}
