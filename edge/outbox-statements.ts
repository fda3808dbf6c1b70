import { DatabaseSync } from 'node:sqlite';
import { ledgerSchema } from '../core/ledger.ts';

/** Beside the ledger's tables, which the audit reads too: who flies, what violations really were, which commands are done. */
const edgeSchema = `
create table if not exists meta (name text primary key, value text not null) strict, without rowid;
create table if not exists drone (
  drone_id text primary key, fleet text not null, epoch text, ordered text, violations_per_hour real
) strict, without rowid;
create table if not exists truth (
  drone_id text not null, epoch text not null, seq integer not null, code integer not null, ticket integer not null,
  primary key (drone_id, epoch, seq)
) strict, without rowid;
create table if not exists done_command (
  id integer primary key, drone_id text not null, command_id text not null, outcome text not null, note text,
  unique (drone_id, command_id)
) strict;
`;

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
  return database;
}

/** What a row costs beside its payload, about: topic, indexes, page headers. */
export const rowBytes = 160;

export type OutboxStatements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: DatabaseSync) {
  const lane = 'drone_id = ? and epoch = ? and kind = ?';
  return {
    setMeta: database.prepare('insert into meta values (?, ?) on conflict do update set value = excluded.value'),
    drone: database.prepare('select epoch, ordered, violations_per_hour as rate from drone where drone_id = ?'),
    setDrone: database.prepare(
      `insert into drone values (?, ?, ?, ?, ?) on conflict do update set fleet = excluded.fleet,
       epoch = excluded.epoch, ordered = excluded.ordered, violations_per_hour = excluded.violations_per_hour`,
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
      'select count(*) as messages, ifnull(sum(length(payload)), 0) as bytes from outbox where drone_id = ?',
    ),
    waiting: database.prepare('select drone_id as droneId, count(*) as messages from outbox group by drone_id'),
    rangeBefore: database.prepare(
      `select first_seq, last_seq from acknowledged where ${lane} and first_seq <= ? order by first_seq desc limit 1`,
    ),
    absorb: database.prepare(
      `delete from acknowledged where ${lane} and first_seq > ? and first_seq <= ? returning last_seq`,
    ),
    setRange: database.prepare(
      'insert into acknowledged values (?, ?, ?, ?, ?) on conflict do update set last_seq = excluded.last_seq',
    ),
    truth: database.prepare('select ticket from truth where drone_id = ? and epoch = ? and seq = ?'),
    addTruth: database.prepare('insert into truth values (?, ?, ?, ?, ?)'),
    forgetTruth: database.prepare('delete from truth where drone_id = ? and epoch = ? and seq = ?'),
    done: database.prepare('select outcome, note from done_command where drone_id = ? and command_id = ?'),
    addDone: database.prepare(
      'insert or ignore into done_command (drone_id, command_id, outcome, note) values (?, ?, ?, ?)',
    ),
    forgetDone: database.prepare('delete from done_command where id <= ?'),
    counts: database.prepare(
      `select (select ifnull(sum(made), 0) from ledger) as made,
              (select ifnull(sum(refused), 0) from ledger) as refused,
              (select ifnull(sum(last_seq - first_seq + 1), 0) from acknowledged) as acknowledged,
              (select count(*) from outbox) as waiting,
              (select ifnull(sum(length(payload)), 0) + ${rowBytes} * count(*) from outbox)
                as waitingBytes`,
    ),
  };
}

/** SQLITE_FULL, and the input or output errors that a full disk gives while the write-ahead log grows. */
export function isFull(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode ?? 0;
  return code === 13 || (code & 0xff) === 10;
}
