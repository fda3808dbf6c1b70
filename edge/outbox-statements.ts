import { DatabaseSync } from 'node:sqlite';
import { ledgerSchema } from '../core/ledger.ts';

/** Beside the ledger's tables, which the audit reads too: who flies, what violations really were, which commands are done. */
const edgeSchema = `
create table if not exists meta (name text primary key, value text not null) strict, without rowid;
create table if not exists drone (
  drone_id text primary key, fleet text not null, epoch text, ordered text, violations_per_hour real, frames integer
) strict, without rowid;
create table if not exists truth (
  drone_id text not null, epoch text not null, seq integer not null, code integer not null, ticket integer not null,
  remedy text, scene text,
  primary key (drone_id, epoch, seq)
) strict, without rowid;
create table if not exists done_command (
  id integer primary key, drone_id text not null, command_id text not null, outcome text not null, note text,
  unique (drone_id, command_id)
) strict;
create index if not exists picture_lane on picture (drone_id, kind);
`;

/** Columns that files of version 0.1 lack. */
const laterColumns = [
  ['drone', 'frames', 'integer'],
  ['truth', 'remedy', 'text'],
  ['truth', 'scene', 'text'],
] as const;

/**
 * D1: a power cut takes nothing that was committed, so no seq is given twice. Pages of 1 KiB: 20 drones then write
 * 46 kB/s to the disk, with the usual 4 KiB 65 kB/s.
 */
export function openOutboxDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000 });
  database.exec(
    'pragma page_size=1024; pragma journal_mode=wal; pragma synchronous=full; pragma journal_size_limit=16777216',
  );
  database.exec(ledgerSchema + edgeSchema);
  for (const [table, column, type] of laterColumns) {
    const there = database.prepare('select 1 from pragma_table_info(?) where name = ?').get(table, column);
    if (there === undefined) database.exec(`alter table ${table} add column ${column} ${type}`);
  }
  return database;
}

/** What a row costs beside its payload, about: topic, indexes, page headers. */
export const rowBytes = 160;

export type OutboxStatements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: DatabaseSync) {
  const lane = 'drone_id = ? and epoch = ? and kind = ?';
  return {
    setMeta: database.prepare('insert into meta values (?, ?) on conflict do update set value = excluded.value'),
    drone: database.prepare('select epoch, ordered, violations_per_hour as rate, frames from drone where drone_id = ?'),
    setDrone: database.prepare(
      `insert into drone (drone_id, fleet, epoch, ordered, violations_per_hour, frames) values (?, ?, ?, ?, ?, ?)
       on conflict do update set fleet = excluded.fleet, epoch = excluded.epoch, ordered = excluded.ordered,
       violations_per_hour = excluded.violations_per_hour, frames = excluded.frames`,
    ),
    epochs: database.prepare('select epoch from ledger where drone_id = ? and kind = ? order by epoch'),
    ledger: database.prepare(`select made, refused from ledger where ${lane}`),
    setLedger: database.prepare(
      `insert into ledger (drone_id, epoch, kind, fleet, made, refused) values (?, ?, ?, ?, ?, ?)
       on conflict do update set made = excluded.made, refused = excluded.refused`,
    ),
    insert: database.prepare(
      'insert into outbox (drone_id, epoch, kind, seq, topic, payload) values (?, ?, ?, ?, ?, ?)',
    ),
    remove: database.prepare('delete from outbox where id = ?'),
    page: database.prepare(
      `select id, drone_id as droneId, epoch, seq, topic, payload from outbox
       where ${lane} and seq > ? order by seq limit ?`,
    ),
    lowest: database.prepare(`select min(seq) as seq from outbox where ${lane}`),
    backlog: database.prepare(
      `select count(*) as messages, ifnull(sum(bytes), 0) as bytes from (
         select length(payload) as bytes from outbox where drone_id = ?1
         union all select length from picture where drone_id = ?1
       )`,
    ),
    waiting: database.prepare(
      `select drone_id as droneId, count(*) as messages from (
         select drone_id from outbox union all select drone_id from picture
       ) group by drone_id`,
    ),
    rangeBefore: database.prepare(
      `select first_seq, last_seq from acknowledged where ${lane} and first_seq <= ? order by first_seq desc limit 1`,
    ),
    absorb: database.prepare(
      `delete from acknowledged where ${lane} and first_seq > ? and first_seq <= ? returning last_seq`,
    ),
    setRange: database.prepare(
      'insert into acknowledged values (?, ?, ?, ?, ?) on conflict do update set last_seq = excluded.last_seq',
    ),
    insertPicture: database.prepare(
      'insert into picture (drone_id, kind, image_id, file, position, length) values (?, ?, unhex(?), ?, ?, ?)',
    ),
    removePicture: database.prepare('delete from picture where id = ?'),
    picturePage: database.prepare(
      `select id, lower(hex(image_id)) as imageId, file, position, length from picture
       where drone_id = ? and kind = ? and id > ? order by id limit ?`,
    ),
    pictureRow: database.prepare(
      "select max(id) as id from picture where drone_id = ? and kind = 'image' and image_id = unhex(?)",
    ),
    pictureFiles: database.prepare('select file, count(*) as pictures from picture group by file'),
    pictureCount: database.prepare(
      'select made, acknowledged, refused from picture_count where drone_id = ? and kind = ?',
    ),
    setPictureCount: database.prepare(
      `insert into picture_count (drone_id, kind, fleet, made, acknowledged, refused) values (?, ?, ?, ?, ?, ?)
       on conflict do update set fleet = excluded.fleet, made = excluded.made,
       acknowledged = excluded.acknowledged, refused = excluded.refused`,
    ),
    truth: database.prepare(
      'select code, ticket, remedy, scene from truth where drone_id = ? and epoch = ? and seq = ?',
    ),
    addTruth: database.prepare(
      'insert into truth (drone_id, epoch, seq, code, ticket, remedy, scene) values (?, ?, ?, ?, ?, ?, ?)',
    ),
    forgetTruth: database.prepare('delete from truth where drone_id = ? and epoch = ? and seq = ?'),
    done: database.prepare('select outcome, note from done_command where drone_id = ? and command_id = ?'),
    addDone: database.prepare(
      'insert or ignore into done_command (drone_id, command_id, outcome, note) values (?, ?, ?, ?)',
    ),
    forgetDone: database.prepare('delete from done_command where id <= ?'),
    counts: database.prepare(
      `select (select ifnull(sum(made), 0) from ledger) + (select ifnull(sum(made), 0) from picture_count) as made,
              (select ifnull(sum(refused), 0) from ledger)
                + (select ifnull(sum(refused), 0) from picture_count) as refused,
              (select ifnull(sum(last_seq - first_seq + 1), 0) from acknowledged)
                + (select ifnull(sum(acknowledged), 0) from picture_count) as acknowledged,
              (select count(*) from outbox) + (select count(*) from picture) as waiting,
              (select ifnull(sum(length(payload) + ${rowBytes}), 0) from outbox)
                + (select ifnull(sum(length + ${rowBytes}), 0) from picture) as waitingBytes`,
    ),
  };
}

/** SQLITE_FULL, and the input or output errors that a full disk gives while the write-ahead log grows. */
export function isFull(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode ?? 0;
  return code === 13 || (code & 0xff) === 10;
}
