import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { asLogError } from './event-log.ts';

/**
 * How far each group has come: `DATA_DIR/log/groups.sqlite`, written by any process. A position that a power cut takes
 * back only makes a group read something twice, so nothing is synced here.
 */
export class GroupPositions {
  #database: DatabaseSync;
  #logId: string;

  /** Positions of another log (L1) are not seen; committing replaces them. */
  constructor(folder: string, logId: string) {
    this.#database = new DatabaseSync(join(folder, 'groups.sqlite'), { timeout: 5000 });
    this.#logId = logId;
    this.#database.exec(`pragma journal_mode = wal; pragma synchronous = normal;
      create table if not exists position (
        stream text not null, "group" text not null, partition integer not null,
        next_offset integer not null, log_id text not null,
        primary key (stream, "group", partition)
      ) strict, without rowid`);
    this.#commit = this.#database.prepare('insert or replace into position values (?, ?, ?, ?, ?)');
    this.#select = this.#database.prepare(
      'select "group", partition, next_offset from position where stream = ? and log_id = ? order by "group", partition',
    );
  }

  #commit;
  #select;

  /** Throws `LOG_UNAVAILABLE`, for instance when the disk is full. */
  commit(stream: string, group: string, partition: number, offset: bigint): void {
    try {
      this.#commit.run(stream, group, partition, offset, this.#logId);
    } catch (error) {
      throw asLogError(error);
    }
  }

  /** By group, then partition. Throws `LOG_UNAVAILABLE`. */
  list(stream: string): { group: string; partition: number; offset: bigint }[] {
    try {
      return this.#select.all(stream, this.#logId).map(row => ({
        group: String(row.group),
        partition: Number(row.partition),
        offset: BigInt(row.next_offset as number),
      }));
    } catch (error) {
      throw asLogError(error);
    }
  }

  close(): void {
    this.#database.close();
  }
}
