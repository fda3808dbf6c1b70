/** A message or picture that is on disk and has no PUBACK yet. */
export interface Queued {
  /** Its row. */
  id: number;
  /** '' for pictures, which have no numbers. */
  epoch: string;
  /** For pictures their row. */
  seq: number;
}

/** Reads on: up to `count` rows of an epoch above `seq`, ascending. */
export type ReadOn<Row extends Queued> = (epoch: string, seq: number, count: number) => Row[];

/** Rows of one drone and kind held in memory beside those in flight; the rest waits on disk. */
const aheadMax = 64;

/**
 * What waits of one drone and kind, oldest first: a window in memory over the rows on disk. Rows in flight are
 * always the first ones held, so a lost connection costs setting a number to 0.
 */
export class Lane<Row extends Queued> {
  #held: Row[] = [];
  #inFlight = 0;
  #readOn: ReadOn<Row>;
  /** Epochs whose rows are not all held, oldest first; the last seq read of the first of them. */
  #unread: string[];
  #readTo = 0;

  /** `epochs` may have rows; it ends with the present one. */
  constructor(epochs: readonly string[], readOn: ReadOn<Row>) {
    this.#unread = [...epochs];
    this.#readOn = readOn;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** The oldest row without PUBACK, in flight or not. */
  get oldest(): Row | undefined {
    if (this.#held.length === 0) this.#refill();
    return this.#held[0];
  }

  /** What `take` would give. */
  peek(): Row | undefined {
    if (this.#inFlight === this.#held.length) this.#refill();
    return this.#held[this.#inFlight];
  }

  /** The next row to send, now in flight; undefined when all are. */
  take(): Row | undefined {
    const row = this.peek();
    if (row !== undefined) this.#inFlight++;
    return row;
  }

  /** A row that was just stored. Kept in memory only where nothing older is still to be read. */
  stored(row: Row): void {
    if (this.#unread.length > 0) return;
    if (this.#room() > 0) {
      this.#held.push(row);
      return;
    }
    this.#unread = [row.epoch];
    this.#readTo = row.seq - 1;
  }

  /** The row, when it was in flight. */
  acknowledged(id: number): Row | undefined {
    const index = this.#held.findIndex(row => row.id === id);
    if (index < 0 || index >= this.#inFlight) return undefined;
    this.#inFlight--;
    return this.#held.splice(index, 1)[0];
  }

  /** The connection is gone: what was in flight is sent again, first and in the same order. */
  lostConnection(): void {
    this.#inFlight = 0;
  }

  #room(): number {
    return aheadMax - (this.#held.length - this.#inFlight);
  }

  #refill(): void {
    while (this.#unread.length > 0 && this.#room() > 0) {
      const wanted = this.#room();
      const rows = this.#readOn(this.#unread[0]!, this.#readTo, wanted);
      this.#held.push(...rows);
      this.#readTo = rows.at(-1)?.seq ?? this.#readTo;
      if (rows.length < wanted) {
        this.#unread.shift();
        this.#readTo = 0;
      }
    }
  }
}
