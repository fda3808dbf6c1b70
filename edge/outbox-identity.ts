import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/**
 * Whether this database file is the one that was open last, and not a copy or an older state put back (D2). Beside it
 * lies a file that every opening replaces, and whose inode and change time, which no tool can set, the database keeps.
 * A copy has no such file or another one, a restored database remembers an older one. Not seen: a database of the
 * present opening written over in place, and a disk image put back as a whole; there the `.identity` file is to be deleted.
 */
export function sameOutbox(database: DatabaseSync, path: string): boolean {
  const remembered = database.prepare("select value from meta where name = 'identity'").get()?.value;
  return remembered !== undefined && remembered === identityOf(path);
}

/** Replaces the file; what it returns is to be stored in `meta` before anything is numbered. */
export function renewIdentity(path: string): string {
  const temporary = `${path}.identity.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, 'Made anew whenever the outbox is opened; without it the drones begin a new epoch.\n');
  renameSync(temporary, `${path}.identity`);
  return identityOf(path)!;
}

function identityOf(path: string): string | undefined {
  const file = statSync(`${path}.identity`, { bigint: true, throwIfNoEntry: false });
  return file === undefined ? undefined : `${statSync(path, { bigint: true }).ino}/${file.ino}/${file.ctimeNs}`;
}
