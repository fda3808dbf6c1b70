import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from './segment-files.ts';

export interface OwnerLock {
  release(): void;
}

/**
 * The right to write a log (L6): an exclusive SQLite transaction on `lock/owner.sqlite`, which nothing else opens, in a
 * folder of its own. It dies with its process. Undefined while somebody else holds it.
 */
export async function takeOwnerLock(logFolder: string): Promise<OwnerLock | undefined> {
  const folder = join(logFolder, 'lock');
  await makeFolder(folder);
  const database = new DatabaseSync(join(folder, 'owner.sqlite'), { timeout: 0 });
  try {
    database.exec('begin exclusive');
    return { release: () => database.close() };
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === 5) return undefined; // SQLITE_BUSY
    throw error;
  }
}
