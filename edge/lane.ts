import type { NumberedKind } from './drone.ts';

/** A message that is on disk and has no PUBACK yet. */
export interface Message {
  /** Its row in the outbox. */
  id: number;
  droneId: string;
  kind: NumberedKind;
  epoch: string;
  seq: number;
  topic: string;
  payload: Buffer;
}

/** Reads on: up to `count` messages of an epoch above `seq`, ascending. */
export type ReadOn = (epoch: string, seq: number, count: number) => Message[];

/** Messages of one drone and kind held in memory beside those in flight; the rest waits on disk. */
const aheadMax = 64;

/**
 * What waits of one drone and kind, oldest first: a window in memory over the rows on disk. Messages in flight are
 * always the first ones held, so a lost connection costs setting a number to 0.
 */
export class Lane {
  readonly kind: NumberedKind;
  /** Highest seq given in the present epoch. */
  made: number;
  /** Messages that found no room in the present epoch. */
  refused: number;
  #held: Message[] = [];
  #inFlight = 0;
  #readOn: ReadOn;
  /** Epochs whose rows are not all held, oldest first; the last seq read of the first of them. */
  #unread: string[];
  #readTo = 0;

  /** `epochs` may have rows; it ends with the present one. */
  constructor(kind: NumberedKind, made: number, refused: number, epochs: readonly string[], readOn: ReadOn) {
    this.kind = kind;
    this.made = made;
    this.refused = refused;
    this.#unread = [...epochs];
    this.#readOn = readOn;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** The next message to send, now in flight; undefined when all are. */
  take(): Message | undefined {
    if (this.#inFlight === this.#held.length) this.#refill();
    const message = this.#held[this.#inFlight];
    if (message !== undefined) this.#inFlight++;
    return message;
  }

  /** A message that was just stored. Kept in memory only where nothing older is still to be read. */
  stored(message: Message): void {
    if (this.#unread.length > 0) return;
    if (this.#room() > 0) {
      this.#held.push(message);
      return;
    }
    this.#unread = [message.epoch];
    this.#readTo = message.seq - 1;
  }

  /** True when the message was in flight. */
  acknowledged(message: Message): boolean {
    const index = this.#held.indexOf(message);
    if (index < 0 || index >= this.#inFlight) return false;
    this.#held.splice(index, 1);
    this.#inFlight--;
    return true;
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
      const messages = this.#readOn(this.#unread[0]!, this.#readTo, wanted);
      this.#held.push(...messages);
      this.#readTo = messages.at(-1)?.seq ?? this.#readTo;
      if (messages.length < wanted) {
        this.#unread.shift();
        this.#readTo = 0;
      }
    }
  }
}
