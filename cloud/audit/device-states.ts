import { SeqRanges } from '../../core/seq-ranges.ts';
import type { StoredRecord } from '../../log/event-log.ts';
import { messageText } from '../../log/record.ts';
import { parseObject } from './log-reader.ts';
import type { Account } from './report.ts';
import { type Series, seriesKey } from './sightings.ts';

/** What a drone said in its `state` messages about one kind. */
export interface StateClaim extends Series {
  fleet: string;
  made: number;
  /** Every number up to this one has its PUBACK. */
  acknowledged: number;
  refused: number;
}

/**
 * Devices' accounts of themselves. All three counts only grow within an epoch, so the greatest ever claimed counts, whatever
 * order the messages came in: a last will is older than what was said after it was left.
 */
export class DeviceStates {
  #claims = new Map<string, StateClaim>();

  add(claim: StateClaim): void {
    const key = seriesKey(claim);
    const known = this.#claims.get(key) ?? claim;
    this.#claims.set(key, {
      ...claim,
      made: Math.max(known.made, claim.made),
      acknowledged: Math.max(known.acknowledged, claim.acknowledged),
      refused: Math.max(known.refused, claim.refused),
    });
  }

  /** The accounts of all (drone, epoch) that no ledger tells of. */
  accounts(hasLedger: (series: Series) => boolean): Account[] {
    return [...this.#claims.values()]
      .filter(claim => !hasLedger(claim))
      .map(({ droneId, fleet, epoch, kind, made, acknowledged, refused }) => ({
        droneId,
        fleet,
        epoch,
        kind,
        basis: 'state',
        made,
        refused,
        acknowledged: SeqRanges.from([[1, acknowledged]]),
        waiting: SeqRanges.from([[acknowledged + 1, made]]),
      }));
  }
}

/** The claims in a record of the stream `state`. */
export function claimsIn(record: StoredRecord): StateClaim[] {
  const { fleet, epoch, kinds } = parseObject(messageText(record)) ?? {};
  if (typeof epoch !== 'string' || typeof kinds !== 'object' || kinds === null) return [];
  return Object.entries(kinds as Record<string, { made: number; lowestUnacknowledged?: number; refused: number }>).map(
    ([kind, { made, lowestUnacknowledged, refused }]) => ({
      droneId: record.key,
      fleet: String(fleet),
      epoch,
      kind,
      made,
      acknowledged: (lowestUnacknowledged ?? made + 1) - 1,
      refused,
    }),
  );
}
