/** A forward step of the clock above this is shown on `/health` (L2). */
const forwardStepMs = 5000;

/** The wall clock, watched against the monotonic one. Never running backwards is each writer's own duty. */
export class LogClock {
  /** The last forward step above 5 s: how far and when. */
  step: { aheadMs: number; atMs: number } | undefined;
  /** How far the wall clock is behind the newest log time; 0 when it is not. */
  behindMs = 0;
  #now: () => number;
  #monotonicMs: () => number;
  #offsetMs: number;

  constructor(now: () => number, monotonicMs: () => number) {
    this.#now = now;
    this.#monotonicMs = monotonicMs;
    this.#offsetMs = now() - monotonicMs();
  }

  /** The time to stamp on what follows `lastTimeMs`. */
  stamp(lastTimeMs: number): number {
    const nowMs = Math.floor(this.#now());
    const offsetMs = nowMs - this.#monotonicMs();
    if (offsetMs - this.#offsetMs > forwardStepMs) {
      this.step = { aheadMs: Math.round(offsetMs - this.#offsetMs), atMs: nowMs };
    }
    this.#offsetMs = offsetMs;
    this.behindMs = Math.max(0, lastTimeMs - nowMs);
    return Math.max(nowMs, lastTimeMs);
  }
}
