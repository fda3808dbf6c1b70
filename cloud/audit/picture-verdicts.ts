import type { Engine } from './engine.ts';
import { listedMax, type Naming, type PictureSheet, type RejectedPicture } from './picture-report.ts';
import { pictureKinds, places } from './picture-tables.ts';

/** What became of a picture that a message names and neither archive nor log holds, most certain first. */
const verdicts = ['inFlight', 'rejected', 'missing', 'unproven', 'newer'] as const;

/** A picture that is missing, with what is known of it. */
export interface Absence {
  kind: string;
  imageId: string;
  namedBy: Naming;
  /** Whether its drone has a ledger, in whose outbox it no longer is. */
  hasLedger: boolean;
  /** When its drone last said that nothing waits. */
  settledMs: number | undefined;
  /** Where an index says that it lies, though the pack is gone or ends before. */
  lay: { pack: string | undefined; position: number } | undefined;
}

export interface Verdicts {
  counts: Record<string, Partial<PictureSheet>>;
  missing: Absence[];
  rejected: RejectedPicture[];
  unproven: { droneId: string; count: number }[];
}

const stored = places.archive | places.log;

/** One pass over all names and places, which leaves a row for each id that is named and nowhere stored, and counts the others. */
const mergeQuery = `
create table merged as
select kind, flags, count(*) as ids, sum(deliveries) as deliveries, case when flags & ${places.named | stored} = ${places.named} then id end as id
from (
  select kind, id, bit_or(flag) as flags, count(*) filter (flag & ${stored} > 0) as deliveries
  from (select kind, id, ${places.named}::utinyint as flag from named union all select kind, id, place from stored)
  group by kind, id
) group by all`;

/**
 * An image precedes the violation that names it (D4); a frame may be made after the ledger was read, and on its way from a
 * device without one until that says that nothing waits of what it has numbered. Of several messages that name it the most certain verdict counts.
 */
const judgeQuery = `
create table judged as
with naming as (
  select n.* from named n join merged m on m.kind = n.kind and m.id = n.id
), verdict as (
  select n.*, r.reason, r."offset", a.made is not null as has_ledger, s.sent_ms as settled_ms, case
    when w.id is not null then 0
    when r.id is not null then 1
    when n.kind = 'image' then 2
    when a.made is not null then if(n.seq > a.made, 4, 2)
    else if(s.made >= n.seq, 2, 3)
  end as verdict
  from naming n
  left join (select distinct kind, id from waiting) w on w.kind = n.kind and w.id = n.id
  left join (
    select kind, id, drone_id, arg_min(reason, "offset") as reason, min("offset") as "offset"
    from rejected group by kind, id, drone_id
  ) r on r.kind = n.kind and r.id = n.id and r.drone_id = n.drone_id
  left join (select drone_id, epoch, max(made) as made from account group by all) a on a.drone_id = n.drone_id and a.epoch = n.epoch
  left join (select drone_id, epoch, max(made) as made, max(sent_ms) as sent_ms from settled group by all) s on s.drone_id = n.drone_id and s.epoch = n.epoch
)
select * from verdict qualify row_number() over (partition by kind, id order by verdict, sent_ms, drone_id, seq) = 1`;

/** Images first: they are evidence. */
const listed = (verdict: (typeof verdicts)[number]) => `
select j.kind, lower(hex(j.id)) as image_id, j.drone_id, j.epoch, j.seq, j.reason, j."offset", j.has_ledger, j.settled_ms,
  g.lay.position as position, p.key as pack
from judged j
left join (
  select kind, id, arg_min({'pack': pack, 'position': position}, position) as lay
  from stored where place = ${places.gone} group by kind, id
) g on g.kind = j.kind and g.id = j.id
left join pack p on p.number = g.lay.pack
where verdict = ${verdicts.indexOf(verdict)}
order by j.kind desc, j.drone_id, j.epoch, j.seq, j.id limit ${listedMax}`;

/** Judges everything that was added to the tables. */
export async function judgePictures({ rows }: Engine): Promise<Verdicts> {
  await rows(mergeQuery);
  await rows(judgeQuery);
  const counts: Verdicts['counts'] = Object.fromEntries(pictureKinds.map(({ kind }) => [kind, {}]));
  const sums = await rows(`
select kind,
  sum(ids) filter (flags & ${places.named} > 0)::double as named,
  sum(ids) filter (flags & ${places.named} > 0 and flags & ${places.archive} > 0)::double as archived,
  sum(ids) filter (flags & ${places.named} > 0 and flags & ${stored} = ${places.log})::double as logged,
  sum(ids) filter (flags & ${places.named} = 0 and flags & ${stored} > 0)::double as unnamed,
  sum(deliveries - ids) filter (flags & ${stored} > 0)::double as redelivered
from merged group by kind`);
  for (const { kind, named, archived, logged, unnamed, redelivered } of sums) {
    Object.assign(counts[String(kind)]!, {
      named: Number(named),
      archived: Number(archived),
      inLog: Number(logged),
      unnamed: Number(unnamed),
      redelivered: Number(redelivered),
    });
  }
  for (const { kind, verdict, ids } of await rows(
    'select kind, verdict, count(*)::double as ids from judged group by kind, verdict',
  )) {
    counts[String(kind)]![verdicts[Number(verdict)]!] = Number(ids);
  }
  const unproven = await rows(`
select drone_id, count(*)::double as ids from judged where verdict = ${verdicts.indexOf('unproven')}
group by drone_id order by drone_id limit ${listedMax}`);
  return {
    counts,
    missing: (await rows(listed('missing'))).map(row => ({
      ...named(row),
      hasLedger: row.has_ledger === true,
      settledMs: row.settled_ms === null ? undefined : Number(row.settled_ms),
      lay: row.position === null ? undefined : { pack: text(row.pack), position: Number(row.position) },
    })),
    rejected: (await rows(listed('rejected'))).map(row => ({
      ...named(row),
      reason: String(row.reason),
      offset: BigInt(row.offset as bigint),
    })),
    unproven: unproven.map(({ drone_id, ids }) => ({ droneId: String(drone_id), count: Number(ids) })),
  };
}

function named(row: Record<string, unknown>): { kind: string; imageId: string; namedBy: Naming } {
  const { kind, image_id, drone_id, epoch, seq } = row;
  const namedBy = pictureKinds.find(entry => entry.kind === kind)!.namedBy;
  return {
    kind: String(kind),
    imageId: String(image_id),
    namedBy: { droneId: String(drone_id), epoch: String(epoch), kind: namedBy, seq: Number(seq) },
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
