import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type SeqRange, SeqRanges } from './seq-ranges.ts';

/**
 * The drone's outbox and ledger, one SQLite file for a simulated fleet or one device: `DATA_DIR/edge/*.sqlite`.
 * The edge writes it, the audit reads it. Rows of `outbox` have no PUBACK yet; `acknowledged` are the seqs that got one,
 * as ranges; `made` is the highest seq given; `refused` counts messages that found no room and got no seq (D2).
 * Rows of `picture` are images and frames without PUBACK (`kind`; `image_id` is the 32 bytes of the SHA-256), whose bytes
 * lie in append-only files beside it, `DATA_DIR/edge/{name}.pictures/{file}`. Pictures have no numbers, only counts; their
 * rows are sent in the order of `id`, of which none is given twice.
 */
export const ledgerSchema = `
create table if not exists ledger (
  drone_id text not null, epoch text not null, kind text not null, fleet text not null,
  made integer not null default 0, refused integer not null default 0,
  primary key (drone_id, epoch, kind)
) strict, without rowid;
create table if not exists acknowledged (
  drone_id text not null, epoch text not null, kind text not null,
  first_seq integer not null, last_seq integer not null,
  primary key (drone_id, epoch, kind, first_seq)
) strict, without rowid;
create table if not exists outbox (
  id integer primary key, drone_id text not null, epoch text not null, kind text not null, seq integer not null,
  topic text not null, payload blob not null,
  unique (drone_id, epoch, kind, seq)
) strict;
create table if not exists picture (
  id integer primary key autoincrement, drone_id text not null, kind text not null, image_id blob not null,
  file integer not null, position integer not null, length integer not null
) strict;
create table if not exists picture_count (
  drone_id text not null, kind text not null, fleet text not null,
  made integer not null default 0, acknowledged integer not null default 0, refused integer not null default 0,
  primary key (drone_id, kind)
) strict, without rowid;
`;

/** What one drone's ledger says of one kind within one epoch. */
export interface LedgerEntry {
  fleet: string;
  droneId: string;
  epoch: string;
  kind: string;
  made: number;
  refused: number;
  acknowledged: SeqRanges;
  /** In the outbox: made, and without PUBACK. */
  waiting: SeqRanges;
}

/** Where the edge keeps its SQLite files. */
export function ledgerFolder(dataDir: string): string {
  return join(dataDir, 'edge');
}

/** What becomes of a file that is damaged, or no ledger. */
type OnUnreadable = (path: string, error: Error) => void;

const rethrow: OnUnreadable = (_, error) => {
  throw error;
};

/**
 * Reads every ledger below `DATA_DIR/edge`, each file in one read transaction, so that a fleet may go on flying.
 * No folder: no ledgers. `onUnreadable` hears of damaged files, and of those that are no ledgers; by default
 * the first one ends the reading.
 */
export function readLedgers(dataDir: string, onUnreadable: OnUnreadable = rethrow): LedgerEntry[] {
  return readFiles(dataDir, readLedger, onUnreadable).flat();
}

/** What one drone's ledger counts of one kind of pictures. */
export interface PictureCount {
  fleet: string;
  droneId: string;
  kind: string;
  made: number;
  acknowledged: number;
  refused: number;
}

/** An image or frame without PUBACK. */
export interface WaitingPicture {
  droneId: string;
  kind: string;
  /** SHA-256, 32 bytes. */
  imageId: Uint8Array;
}

/** As `readLedgers`, of pictures: gives the counts, and visits what waits, one at a time. A ledger from before pictures has none. */
export function readPictureLedgers(
  dataDir: string,
  visit: (picture: WaitingPicture) => void,
  onUnreadable: OnUnreadable = rethrow,
): PictureCount[] {
  return readFiles(dataDir, database => readPictures(database, visit), onUnreadable).flat();
}

function readFiles<T>(dataDir: string, read: (database: DatabaseSync) => T, onUnreadable: OnUnreadable): T[] {
  const folder = ledgerFolder(dataDir);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(name => name.endsWith('.sqlite'))
    .flatMap(name => {
      const path = join(folder, name);
      try {
        const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
        try {
          database.exec('begin');
          return [read(database)];
        } finally {
          database.close();
        }
      } catch (error) {
        onUnreadable(path, error as Error);
        return [];
      }
    });
}

function readPictures(database: DatabaseSync, visit: (picture: WaitingPicture) => void): PictureCount[] {
  const tables = database.prepare("select count(*) as n from sqlite_master where name in ('picture', 'picture_count')");
  if (tables.get()?.n !== 2) return [];
  const waiting = database.prepare('select drone_id, kind, image_id from picture');
  for (const { drone_id, kind, image_id } of waiting.iterate()) {
    visit({ droneId: String(drone_id), kind: String(kind), imageId: image_id as Uint8Array });
  }
  const counts = database.prepare(
    'select fleet, drone_id as droneId, kind, made, acknowledged, refused from picture_count',
  );
  return counts.all().map(row => ({ ...row }) as unknown as PictureCount);
}

function readLedger(database: DatabaseSync): LedgerEntry[] {
  const entries = new Map<string, LedgerEntry>();
  for (const row of database.prepare('select * from ledger').iterate() as Iterable<Record<string, string | number>>) {
    const { fleet, drone_id, epoch, kind, made, refused } = row;
    entries.set(`${drone_id}/${epoch}/${kind}`, {
      fleet: String(fleet),
      droneId: String(drone_id),
      epoch: String(epoch),
      kind: String(kind),
      made: Number(made),
      refused: Number(refused),
      acknowledged: new SeqRanges(),
      waiting: new SeqRanges(),
    });
  }
  const acknowledged = database.prepare(
    'select drone_id, epoch, kind, first_seq, last_seq from acknowledged order by drone_id, epoch, kind, first_seq',
  );
  for (const [key, range] of ranges(acknowledged.iterate())) entries.get(key)?.acknowledged.addRange(...range);
  const waiting = database.prepare(
    'select drone_id, epoch, kind, seq as first_seq, seq as last_seq from outbox order by drone_id, epoch, kind, seq',
  );
  for (const [key, range] of ranges(waiting.iterate())) entries.get(key)?.waiting.addRange(...range);
  return [...entries.values()];
}

function* ranges(rows: Iterable<unknown>): Iterable<[key: string, range: SeqRange]> {
  for (const row of rows as Iterable<Record<string, string | number>>) {
    yield [`${row.drone_id}/${row.epoch}/${row.kind}`, [Number(row.first_seq), Number(row.last_seq)]];
  }
}
