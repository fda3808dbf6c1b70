import { parseFooter, type RunFooter } from '../archive/manifest.ts';
import type { ArchivedObject, Damage } from './archive-listing.ts';
import type { StateClaim } from './device-states.ts';
import { type Engine, literal, parquet, portions } from './engine.ts';
import type { RejectedRun } from './rejections.ts';
import type { ArchivedRun, Series } from './sightings.ts';

/** Reads the archive's Parquet objects: every method streams over them in portions, names those that cannot be read, and goes on. */
export interface ArchiveReader {
  /** Numbered messages, as runs. */
  runs(objects: readonly ArchivedObject[], visit: (run: ArchivedRun) => void): Promise<Damage[]>;
  states(objects: readonly ArchivedObject[], visit: (claim: StateClaim) => void): Promise<Damage[]>;
  rejected(objects: readonly ArchivedObject[], visit: (run: RejectedRun) => void): Promise<Damage[]>;
  /** The object and offset of one number, undefined where the archive does not hold it. */
  locate(
    objects: readonly ArchivedObject[],
    series: Series,
    seq: number,
  ): Promise<{ object: string; offset: bigint } | undefined>;
  /** What an object's own footer says; undefined for an object that cannot be read. */
  footerOf(object: ArchivedObject): Promise<RunFooter | undefined>;
}

export function createArchiveReader({ each }: Engine): ArchiveReader {
  return {
    runs: (from, visit) =>
      each(from, runsQuery, row =>
        visit({
          droneId: String(row.key),
          epoch: String(row.epoch),
          kind: String(row.kind),
          redelivery: row.redelivery === true,
          first: Number(row.first),
          last: Number(row.last),
          rows: Number(row.rows),
        }),
      ),
    states: (from, visit) =>
      each(from, statesQuery, row =>
        visit({
          droneId: String(row.key),
          fleet: String(row.fleet),
          epoch: String(row.epoch),
          kind: String(row.kind),
          made: Number(row.made),
          acknowledged: Number(row.acknowledged),
          refused: Number(row.refused),
        }),
      ),
    rejected: (from, visit) =>
      each(from, rejectedQuery, row =>
        visit({
          droneId: String(row.droneId),
          epoch: text(row.epoch),
          kind: text(row.kind),
          reason: String(row.reason),
          first: row.first === null ? undefined : Number(row.first),
          last: row.last === null ? undefined : Number(row.last),
          count: Number(row.rows),
          offset: BigInt(row.offset as bigint),
        }),
      ),
    async locate(from, { droneId, epoch, kind }, seq) {
      const match = `key = ${literal(droneId)} and epoch = ${literal(epoch)} and kind = ${literal(kind)} and seq = ${seq}`;
      const query = (files: string) =>
        `select min("offset") as "offset" from ${parquet(files)} where ${match} having count(*) > 0`;
      let found: bigint | undefined;
      const take = (row: Record<string, unknown>) => {
        found = BigInt(row.offset as bigint);
      };
      for (const portion of portions(from)) {
        await each(portion, query, take);
        if (found === undefined) continue;
        for (const object of portion) {
          found = undefined;
          await each([object], query, take);
          if (found !== undefined) return { object: object.key, offset: found };
        }
      }
      return undefined;
    },
    async footerOf(object) {
      const pairs: Record<string, string> = {};
      await each(
        [object],
        files => `select decode(key) as name, decode(value) as value from parquet_kv_metadata(${files})`,
        ({ name, value }) => {
          pairs[String(name)] = String(value);
        },
      );
      return parseFooter(pairs);
    },
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Gaps and islands: consecutive numbers minus their rank are one value, so each run is one group. */
function runsQuery(files: string): string {
  return `
with numbered as (
  select key, epoch, kind, redelivery, seq, count(*) as rows from ${parquet(files)}
  where seq is not null and epoch is not null group by all
), islands as (
  select *, seq - row_number() over (partition by key, epoch, kind, redelivery order by seq) as island from numbered
)
select key, epoch, kind, redelivery, min(seq) as first, max(seq) as last, sum(rows) as rows
from islands group by key, epoch, kind, redelivery, island`;
}

function statesQuery(files: string): string {
  return `
with messages as (
  select key, coalesce(headers['message'], decode(payload))::json as message from ${parquet(files)}
), kinds as (
  select key, message->>'$.fleet' as fleet, message->>'$.epoch' as epoch,
    unnest(json_keys(message->'$.kinds')) as kind, message->'$.kinds' as kinds
  from messages
), claims as (
  select *, (kinds->kind->>'made')::bigint as made, (kinds->kind->>'refused')::bigint as refused,
    (kinds->kind->>'lowestUnacknowledged')::bigint as lowest
  from kinds
)
select key, fleet, epoch, kind, max(made) as made, max(refused) as refused, max(coalesce(lowest - 1, made)) as acknowledged
from claims group by key, fleet, epoch, kind`;
}

function rejectedQuery(files: string): string {
  return `
with rejected as (
  select coalesce(headers['droneId'], key) as "droneId", headers['epoch'] as epoch, headers['kind'] as kind,
    headers['reason'] as reason, try_cast(headers['seq'] as bigint) as seq, "offset"
  from ${parquet(files)}
), islands as (
  select *, seq - dense_rank() over (partition by "droneId", epoch, kind, reason order by seq) as island from rejected
)
select "droneId", epoch, kind, reason, min(seq) as first, max(seq) as last, count(*) as rows, min("offset") as "offset"
from islands group by "droneId", epoch, kind, reason, island`;
}
