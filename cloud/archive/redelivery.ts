import { type SeqRange, SeqRanges } from '../../core/seq-ranges.ts';

/** The name of a numbered message of a drone. */
export interface Identity {
  droneId: string;
  epoch: string;
  kind: string;
  seq: number;
}

/**
 * The state as a manifest entry holds it: drone -> epoch -> what was seen of each kind, as flat pairs [first, last, first,
 * last ...] (`upTo` is the first pair's last where that begins at 1; the others are the islands above it). Names are sorted,
 * so equal states are equal bytes.
 */
export type RedeliveryText = Record<
  string,
  Record<string, { supersededAtMs?: number; seen: Record<string, number[]> }>
>;

/** An epoch leaves so long after a newer one of its drone appeared (A4). */
export const epochKeptMs = 30 * 24 * 3600 * 1000;

interface Epoch {
  supersededAtMs: number | undefined;
  seen: Map<string, SeqRanges>;
}

/** Which numbered messages of a partition were seen before (A4): a fold over its records, carried from run to run. */
export class RedeliveryState {
  #drones = new Map<string, Map<string, Epoch>>();

  /** True when this message was seen before. `timeMs` is T at its record. */
  see({ droneId, epoch, kind, seq }: Identity, timeMs: number): boolean {
    const epochs = entryOf(this.#drones, droneId, () => new Map<string, Epoch>());
    let known = epochs.get(epoch);
    if (known === undefined) {
      known = { supersededAtMs: undefined, seen: new Map() };
      // Epochs are ULIDs: the greater text is the newer one.
      for (const [other, value] of epochs) {
        if (other > epoch) known.supersededAtMs = timeMs;
        else value.supersededAtMs ??= timeMs;
      }
      epochs.set(epoch, known);
    }
    return !entryOf(known.seen, kind, () => new SeqRanges()).add(seq);
  }

  /** Forgets the epochs that have left by T; called at a run's end and only there, so that every archiver agrees. */
  endRun(timeMs: number): void {
    for (const epochs of this.#drones.values()) {
      for (const [epoch, { supersededAtMs }] of epochs) {
        if (supersededAtMs !== undefined && timeMs - supersededAtMs > epochKeptMs) epochs.delete(epoch);
      }
    }
  }

  encode(): RedeliveryText {
    const text: RedeliveryText = {};
    for (const [droneId, epochs] of sorted(this.#drones)) {
      text[droneId] = {};
      for (const [epoch, { supersededAtMs, seen }] of sorted(epochs)) {
        const kinds = sorted(seen).map(([kind, { ranges }]) => [kind, ranges.flat()] as const);
        text[droneId][epoch] = {
          ...(supersededAtMs === undefined ? {} : { supersededAtMs }),
          seen: Object.fromEntries(kinds),
        };
      }
    }
    return text;
  }

  /** The inverse of `encode`. */
  static parse(text: RedeliveryText): RedeliveryState {
    const state = new RedeliveryState();
    for (const [droneId, epochs] of Object.entries(text)) {
      state.#drones.set(
        droneId,
        new Map(
          Object.entries(epochs).map(([epoch, { supersededAtMs, seen }]) => [
            epoch,
            {
              supersededAtMs,
              seen: new Map(Object.entries(seen).map(([kind, flat]) => [kind, SeqRanges.from(pairs(flat))])),
            },
          ]),
        ),
      );
    }
    return state;
  }
}

function entryOf<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

function sorted<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function* pairs(flat: readonly number[]): Iterable<SeqRange> {
  for (let at = 0; at < flat.length; at += 2) yield [flat[at]!, flat[at + 1]!];
}
