import type { DuckDBAppender } from '@duckdb/node-api';
import type { WaitingPicture } from '../../core/ledger.ts';
import { parseTopic } from '../../core/topics.ts';
import type { StoredRecord } from '../../log/event-log.ts';
import type { ArchivedObject, Damage } from './archive-listing.ts';
import { type Engine, parquet } from './engine.ts';

/** One kind of pictures: the stream that holds it, and the messages that name it. */
export interface PictureKind {
  kind: string;
  stream: string;
  /** Kind and stream of the messages that name it, and the field in which they do. */
  namedBy: string;
  field: string;
}

export const pictureKinds: readonly PictureKind[] = [
  { kind: 'image', stream: 'image', namedBy: 'violation', field: 'images' },
  { kind: 'frame', stream: 'frame', namedBy: 'telemetry', field: 'frames' },
];

/** Bits of `stored.place`, and 1 for a name in `verdict-query.ts`: a pack that is gone or too short no longer holds its picture. */
export const places = { named: 1, archive: 2, log: 4, gone: 8 };

const schema = `
create table named (kind varchar, id blob, drone_id varchar, epoch varchar, seq bigint, sent_ms bigint);
create table stored (kind varchar, id blob, drone_id varchar, place utinyint, pack integer, position bigint, length integer);
create table waiting (kind varchar, id blob);
create table rejected (kind varchar, id blob, drone_id varchar, reason varchar, "offset" bigint);
create table account (drone_id varchar, epoch varchar, made bigint);
create table settled (drone_id varchar, epoch varchar, made bigint, sent_ms bigint);
create table pack (number integer, key varchar, bytes bigint);
`;
const tableNames = ['named', 'stored', 'waiting', 'rejected', 'account', 'settled', 'pack'] as const;

type Appenders = Record<(typeof tableNames)[number], DuckDBAppender>;

/**
 * Everything that archive, log and ledgers say of pictures, as tables of the audit's engine: 25 drones of the brief name 25
 * million ids a day. The engine spills what does not fit into its memory. `flush` before a query reads what was added.
 */
export class PictureTables {
  #engine: Engine;
  #appenders: Appenders;
  #packs = new Set<string>();

  private constructor(engine: Engine, appenders: Appenders) {
    this.#engine = engine;
    this.#appenders = appenders;
  }

  static async open(engine: Engine): Promise<PictureTables> {
    await engine.rows(schema);
    const appenders = {} as Appenders;
    for (const name of tableNames) appenders[name] = await engine.appender(name);
    return new PictureTables(engine, appenders);
  }

  /** What waits in an outbox that the audit can read. */
  addWaiting({ kind, imageId }: WaitingPicture): void {
    const row = this.#appenders.waiting;
    row.appendVarchar(kind);
    row.appendBlob(imageId);
    row.endRow();
  }

  /** A drone and epoch with a ledger, and how many of its messages that name frames it had made. */
  addAccount({ droneId, epoch, made }: { droneId: string; epoch: string; made: number }): void {
    const row = this.#appenders.account;
    row.appendVarchar(droneId);
    row.appendVarchar(epoch);
    row.appendBigInt(BigInt(made));
    row.endRow();
  }

  /**
   * What a state message in the log says: that of the telemetry made by then nothing waits at the drone, nor of its frames. (Of
   * what it had seen and not yet numbered it says nothing, so its time decides nothing.) A last will is older than it seems.
   */
  addState({ key }: StoredRecord, message: Readonly<Record<string, unknown>>): void {
    const { epoch, status, backlogMessages, observedAtMs, kinds } = message;
    if (status !== 'online' || backlogMessages !== 0) return;
    const made = (kinds as Record<string, { made?: unknown }> | undefined)?.telemetry?.made;
    if (typeof epoch !== 'string' || !Number.isSafeInteger(observedAtMs) || !Number.isSafeInteger(made)) return;
    const row = this.#appenders.settled;
    row.appendVarchar(key);
    row.appendVarchar(epoch);
    row.appendBigInt(BigInt(made as number));
    row.appendBigInt(BigInt(observedAtMs as number));
    row.endRow();
  }

  addStates(objects: readonly ArchivedObject[]): Promise<Damage[]> {
    return this.#engine.each(
      objects,
      files => `
insert into settled
select key, message->>'$.epoch', (message->>'$.kinds.telemetry.made')::bigint, max((message->>'$.observedAtMs')::bigint)
from (select key, coalesce(headers['message'], decode(payload))::json as message from ${parquet(files)})
where (message->>'$.status') = 'online' and (message->>'$.backlogMessages') = '0' group by all`,
    );
  }

  /** The pictures that a message in the log names. */
  addNaming({ kind, field }: PictureKind, { key }: StoredRecord, message: Readonly<Record<string, unknown>>): void {
    const { epoch, seq, observedAtMs, [field]: ids } = message;
    if (!Array.isArray(ids)) return;
    for (const id of ids) {
      const row = this.#appenders.named;
      row.appendVarchar(kind);
      row.appendBlob(Buffer.from(String(id), 'hex'));
      row.appendVarchar(key);
      row.appendVarchar(String(epoch));
      row.appendBigInt(BigInt(seq as number));
      row.appendBigInt(BigInt(Math.trunc(Number(observedAtMs) || 0)));
      row.endRow();
    }
  }

  addNamings({ kind, namedBy, field }: PictureKind, objects: readonly ArchivedObject[]): Promise<Damage[]> {
    return this.#engine.each(
      objects,
      files => `
insert into named
select '${kind}', try(unhex(image_id)), key, epoch, seq, observed_at_ms
from (select unnest(${field}) as image_id, key, epoch, seq, observed_at_ms from ${parquet(files)} where kind = '${namedBy}')`,
    );
  }

  /** A picture's record in the log; undefined where its topic names none. Gives the id. */
  addStored({ kind }: PictureKind, { key, headers, payload }: StoredRecord): string | undefined {
    const imageId = parseTopic(headers.topic ?? '')?.imageId;
    if (imageId === undefined) return undefined;
    const row = this.#appenders.stored;
    row.appendVarchar(kind);
    row.appendBlob(Buffer.from(imageId, 'hex'));
    row.appendVarchar(key);
    row.appendUTinyInt(places.log);
    row.appendNull();
    row.appendNull();
    row.appendInteger(payload.byteLength);
    row.endRow();
    return imageId;
  }

  /** The rows of indexes; `packs` are those that are there, with their bytes. */
  async addIndexes(
    { kind }: PictureKind,
    objects: readonly ArchivedObject[],
    packs: ReadonlyMap<string, number>,
  ): Promise<Damage[]> {
    const expected = objects.flatMap(({ pack }) => (pack === undefined ? [] : [[pack.key, 0] as const]));
    for (const [key, bytes] of [...packs, ...expected]) {
      if (this.#packs.has(key)) continue;
      const row = this.#appenders.pack;
      row.appendInteger(this.#packs.size);
      row.appendVarchar(key);
      row.appendBigInt(BigInt(bytes));
      row.endRow();
      this.#packs.add(key);
    }
    this.#appenders.pack.flushSync();
    return this.#engine.each(
      objects,
      files => `
insert into stored
select '${kind}', try(unhex(i.image_id)), i.key,
  case when i.position + i.length <= p.bytes then ${places.archive} else ${places.gone} end, p.number, i.position, i.length
from (select image_id, key, pack, position, length from ${parquet(files)}) i left join pack p on p.key = i.pack`,
    );
  }

  /** A record of the stream `rejected`, where it is a picture's. */
  addRejected({ key, headers, offset }: StoredRecord): void {
    const topic = parseTopic(headers.topic ?? '');
    if (topic?.imageId === undefined || !pictureKinds.some(({ kind }) => kind === topic.kind)) return;
    const row = this.#appenders.rejected;
    row.appendVarchar(topic.kind);
    row.appendBlob(Buffer.from(topic.imageId, 'hex'));
    row.appendVarchar(headers.droneId ?? key);
    row.appendVarchar(headers.reason ?? '?');
    row.appendBigInt(offset);
    row.endRow();
  }

  addRejections(objects: readonly ArchivedObject[]): Promise<Damage[]> {
    const kinds = pictureKinds.map(({ kind }) => `'${kind}'`).join(', ');
    return this.#engine.each(
      objects,
      files => `
insert into rejected
select headers['kind'], try(unhex(split_part(headers['topic'], '/', 6))), coalesce(headers['droneId'], key),
  headers['reason'], "offset"
from ${parquet(files)} where headers['kind'] in (${kinds})`,
    );
  }

  flush(): void {
    for (const appender of Object.values(this.#appenders)) appender.flushSync();
  }
}
