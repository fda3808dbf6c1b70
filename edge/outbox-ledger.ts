import { SeqRanges } from '../core/seq-ranges.ts';
import type { DroneOutbox } from './outbox-drone.ts';
import type { OutboxStatements } from './outbox-statements.ts';
import { isPicture, type Kind, type Message, type Picture } from './sending.ts';

/** Removes rows that have their PUBACK; numbered ones are remembered as ranges. Within a transaction. */
export function removeAcknowledged(sql: OutboxStatements, rows: readonly (Message | Picture)[]): void {
  const ranges = new Map<string, { message: Message; seqs: SeqRanges }>();
  for (const row of rows) {
    if (isPicture(row)) {
      sql.removePicture.run(row.id);
      continue;
    }
    sql.remove.run(row.id);
    const key = `${row.droneId}/${row.epoch}/${row.kind}`;
    const entry = ranges.get(key) ?? { message: row, seqs: new SeqRanges() };
    entry.seqs.add(row.seq);
    ranges.set(key, entry);
  }
  for (const { message, seqs } of ranges.values()) {
    for (const [first, last] of seqs.ranges) mergeRange(sql, message, first, last);
  }
}

/** Keeps `acknowledged` as ranges that neither overlap nor touch. */
function mergeRange(sql: OutboxStatements, { droneId, epoch, kind }: Message, first: number, last: number): void {
  const before = sql.rangeBefore.get(droneId, epoch, kind, first) as
    | { first_seq: number; last_seq: number }
    | undefined;
  const joins = before !== undefined && before.last_seq >= first - 1;
  const from = joins ? before.first_seq : first;
  let to = joins ? Math.max(before.last_seq, last) : last;
  for (const row of sql.absorb.all(droneId, epoch, kind, from, to + 1)) to = Math.max(to, Number(row.last_seq));
  sql.setRange.run(droneId, epoch, kind, from, to);
}

/** Writes what the drone has made, refused and, of pictures, acknowledged of a kind. Within a transaction. */
export function saveCount(sql: OutboxStatements, drone: DroneOutbox, kind: Kind): void {
  const { droneId, fleet, epoch, made, refused, acknowledged } = drone;
  if (kind === 'image' || kind === 'frame') {
    sql.setPictureCount.run(droneId, kind, fleet, made[kind], acknowledged[kind], refused[kind]);
  } else {
    sql.setLedger.run(droneId, epoch, kind, fleet, made[kind], refused[kind]);
  }
}

/** Within a transaction. */
export function saveDrone(sql: OutboxStatements, { droneId, fleet, epoch, settings }: DroneOutbox): void {
  const { ordered, violationsPerHour, frames } = settings;
  sql.setDrone.run(
    droneId,
    fleet,
    epoch,
    ordered ?? null,
    violationsPerHour ?? null,
    frames === undefined ? null : Number(frames),
  );
}
