import { type Random, random } from '../random.ts';

/** How a picture that the drone could not qualify ends: `zoom` means that a careful person can decide from it. */
export type Remedy = 'zoom' | 'photograph-again' | 'dismiss' | 'escalate';

const shares: readonly (readonly [Remedy, share: number])[] = [
  ['zoom', 0.7],
  ['photograph-again', 0.2],
  ['dismiss', 0.05],
  ['escalate', 0.05],
];

/** 70 % zoom, 20 % photograph-again, 5 % dismiss, 5 % escalate. Takes one number. */
export function drawRemedy(state: Random): Remedy {
  let left = random(state);
  for (const [remedy, share] of shares) {
    if (left < share) return remedy;
    left -= share;
  }
  return 'zoom';
}
