import type { StoredRecord } from '../../log/event-log.ts';
import type { Sightings } from './sightings.ts';

/** Rejected messages of one drone and kind with consecutive numbers, or without one that could be read. */
export interface RejectedRun {
  droneId: string;
  epoch: string | undefined;
  kind: string | undefined;
  reason: string;
  first: number | undefined;
  last: number | undefined;
  count: number;
  /** Of the first of them in `rejected`. */
  offset: bigint;
}

/** Rejected messages whose number could not be read. */
export interface Unreadable {
  droneId: string;
  kind: string;
  reason: string;
  count: number;
  /** Of the first of them in `rejected`. */
  offset: bigint;
}

/** Tells rejections from losses (B9): those with a number go to the sightings, of the others is kept how many there are. */
export class Rejections {
  #sightings: Sightings;
  #unreadable = new Map<string, Unreadable>();

  constructor(sightings: Sightings) {
    this.#sightings = sightings;
  }

  add({ droneId, epoch, kind, reason, first, last, count, offset }: RejectedRun): void {
    if (epoch !== undefined && kind !== undefined && first !== undefined && last !== undefined) {
      this.#sightings.addRejected({ droneId, epoch, kind }, first, last);
      return;
    }
    const group = { droneId, kind: kind ?? '?', reason };
    const key = Object.values(group).join('/');
    const known = this.#unreadable.get(key);
    if (known === undefined) {
      this.#unreadable.set(key, { ...group, count, offset });
    } else {
      known.count += count;
      // The archive gives its rows in any order.
      if (offset < known.offset) known.offset = offset;
    }
  }

  /** By offset. */
  unreadable(): Unreadable[] {
    return [...this.#unreadable.values()].sort((a, b) => (a.offset < b.offset ? -1 : 1));
  }
}

/** A record of the stream `rejected`, from its headers alone. */
export function rejectionIn({ key, headers, offset }: StoredRecord): RejectedRun {
  const { droneId = key, epoch, kind, reason = '?', seq } = headers;
  const number = seq === undefined || !Number.isSafeInteger(Number(seq)) ? undefined : Number(seq);
  return { droneId, epoch, kind, reason, first: number, last: number, count: 1, offset };
}
