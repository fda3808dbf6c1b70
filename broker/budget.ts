/** A connection that stopped reading because the whole broker holds too much; woken when there is room. */
export interface Waiter {
  wake(): void;
}

/** What all connections together hold: PUBLISHes read and not yet answered (B3). Plain numbers, read by whoever likes. */
export class Budget {
  packets = 0;
  bytes = 0;
  readonly #maxBytes: number;
  readonly #waiters = new Set<Waiter>();
  #idle: (() => void)[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get full(): boolean {
    return this.bytes >= this.#maxBytes;
  }

  take(bytes: number): void {
    this.packets++;
    this.bytes += bytes;
  }

  give(packets: number, bytes: number): void {
    this.packets -= packets;
    this.bytes -= bytes;
    if (this.#waiters.size > 0 && !this.full) this.#wakeAll();
    if (this.packets === 0 && this.#idle.length > 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** First come, first woken; who finds it full again waits behind the others. */
  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  forget(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** Resolves when no PUBLISH is unanswered. */
  idle(): Promise<void> {
    return this.packets === 0 ? Promise.resolve() : new Promise(resolve => this.#idle.push(resolve));
  }

  #wakeAll(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.wake();
  }
}
