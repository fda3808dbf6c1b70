/** A generator's whole state, so that it can lie in a plain object, be copied and compared. */
export interface Random {
  word: number;
}

/** The next number, 0 <= n < 1, from 32 bits of state: mulberry32 (T. Ettinger, 2017, public domain). Not for secrets. */
export function random(state: Random): number {
  state.word = (state.word + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state.word ^ (state.word >>> 15), state.word | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

export function randomBetween(state: Random, low: number, high: number): number {
  return low + (high - low) * random(state);
}

/** A whole number, 0 <= n < count. */
export function randomIndex(state: Random, count: number): number {
  return Math.floor(random(state) * count);
}

/** A first state from a number and a text: FNV-1a over both. Neighbouring seeds and ids give unrelated numbers. */
export function seededRandom(seed: number, text: string): Random {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${seed}/${text}`)) hash = Math.imul(hash ^ byte, 0x01000193);
  return { word: hash };
}
