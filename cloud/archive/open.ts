import { resolve } from 'node:path';
import type { Config } from '../../core/config.ts';
import { type ObjectStore, objectErrors } from './object-store.ts';

/** First parts of the keys that our stages write (RULES A1 to A5). */
const areas = ['archive', 'manifest', 'pack', 'table'];

/** Opens the store that OBJECTS_URL names; unset: files below DATA_DIR. Codes: `OBJECTS_NO_ADAPTER`, `OBJECTS_UNAVAILABLE`. */
export async function openObjectStore(config: Pick<Config, 'DATA_DIR' | 'OBJECTS_URL'>): Promise<ObjectStore> {
  if (config.OBJECTS_URL !== undefined) throw objectErrors.NO_ADAPTER({ url: config.OBJECTS_URL });
  const { openFileObjectStore } = await import('./object-store-files.ts');
  return openFileObjectStore({ root: resolve(config.DATA_DIR), areas });
}
