import { messageKinds } from '../../core/messages.ts';
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

const numbered = new Set(messageKinds.filter(kind => kind.numbered).map(({ kind }) => kind));

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

  /** The accounts of all (drone, epoch) that no ledger tells of. Pictures have no numbers to account for. */
  accounts(hasLedger: (series: Series) => boolean): Account[] {
    return [...this.#claims.values()]
      .filter(claim => numbered.has(claim.kind) && !hasLedger(claim))
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

  /** How many of each other kind those drones refused for space. */
  refusedUnnumbered(hasLedger: (series: Series) => boolean): Map<string, number> {
    const sums = new Map<string, number>();
    for (const claim of this.#claims.values()) {
      if (numbered.has(claim.kind) || hasLedger(claim)) continue;
      sums.set(claim.kind, (sums.get(claim.kind) ?? 0) + claim.refused);
    }
    return sums;
  }
}

/** What a record of the stream `state` says. */
export function stateIn(record: StoredRecord): Record<string, unknown> {
  return parseObject(messageText(record)) ?? {};
}

/** The claims in it. */
export function claimsIn({ key }: StoredRecord, { fleet, epoch, kinds }: Record<string, unknown>): StateClaim[] {
  if (typeof epoch !== 'string' || typeof kinds !== 'object' || kinds === null) return [];
  return Object.entries(kinds as Record<string, { made: number; lowestUnacknowledged?: number; refused: number }>).map(
    ([kind, { made, lowestUnacknowledged, refused }]) => ({
      droneId: key,
      fleet: String(fleet),
      epoch,
      kind,
      made,
      acknowledged: (lowestUnacknowledged ?? made + 1) - 1,
      refused,
    }),
  );
}
