import type { unqualifiedReasons, Violation } from '../core/messages.ts';
import { type Random, random, randomBetween, randomIndex } from './random.ts';

export type Reason = (typeof unqualifiedReasons)[number];

/** What the drone makes of a vehicle: either `code` and `confidence`, or a `reason` why not. */
export type Judgement = Pick<Violation, 'code' | 'confidence' | 'candidates' | 'reason'>;

/** Codes that look alike from the air: the same kerb under another sign, the same meter, the same sticker. */
const lookAlikes: readonly (readonly number[])[] = [
  [14, 19, 20, 16, 17, 10, 13, 31],
  [21, 20, 24, 27, 68],
  [46, 47, 45, 16],
  [70, 71, 72, 73],
  [37, 38, 69, 42, 34],
  [40, 98, 67, 14],
  [50, 51, 52, 53, 9],
  [5, 12, 18, 19],
  [48, 46, 55],
  [36, 7],
  [66, 78, 85, 77],
  [74, 75, 80, 82, 83],
  [60, 61, 62, 59],
];

/** Mistaken with everything, because most summonses are theirs. */
const everyday: readonly number[] = [21, 38, 14, 46];

const reasons: readonly (readonly [Reason, share: number])[] = [
  ['two-codes-possible', 0.3],
  ['sign-occluded', 0.2],
  ['plate-unreadable', 0.15],
  ['camera-angle', 0.15],
  ['low-confidence', 0.12],
  ['unknown-vehicle', 0.08],
];

/** What decides these is no sign: a hydrant, a lane, a paper behind the windshield. */
const withoutSign: ReadonlySet<number> = new Set([
  40, 42, 46, 47, 50, 51, 52, 53, 59, 60, 61, 62, 67, 70, 71, 72, 73, 74, 75, 80, 82, 83, 98,
]);

/** Share of the codes given with confidence that are wrong all the same. */
const mistakenShare = 0.02;
/** How often the right code is among the candidates of a vehicle that could not be qualified. */
const rightAmongCandidates = 0.9;

/**
 * Judges one vehicle whose right code is `trueCode`, of which the judgement shows nothing. Where it cannot be qualified
 * its reason is `given`, or drawn.
 */
export function classify(state: Random, trueCode: number, unqualified: boolean, given?: Reason): Judgement {
  const others = lookAlikesOf(trueCode);
  if (!unqualified) {
    const code = random(state) < mistakenShare ? others[randomIndex(state, others.length)]! : trueCode;
    const confidence = hundredths(randomBetween(state, 0.8, 0.995));
    const second = others.find(other => other !== code);
    const rest = hundredths((1 - confidence) * random(state));
    const candidates = [{ code, confidence }];
    if (second !== undefined && rest > 0) candidates.push({ code: second, confidence: rest });
    return { code, confidence, candidates };
  }
  const reason = given ?? drawReason(state, trueCode);
  const count = reason === 'two-codes-possible' ? 2 : 1 + randomIndex(state, 3);
  const chosen = shuffled(state, others).slice(0, count);
  if (random(state) < rightAmongCandidates) {
    chosen.splice(random(state) < 0.65 ? 0 : randomIndex(state, count), 0, trueCode);
  }
  let confidence = randomBetween(state, 0.3, 0.5);
  const candidates = chosen.slice(0, count).map(code => {
    const candidate = { code, confidence: hundredths(confidence) };
    confidence *= randomBetween(state, 0.4, 0.9);
    return candidate;
  });
  return { candidates, reason };
}

function lookAlikesOf(code: number): number[] {
  const found = lookAlikes.filter(group => group.includes(code)).flat();
  return [...new Set(found.length > 0 ? found : everyday)].filter(other => other !== code);
}

function drawReason(state: Random, trueCode: number): Reason {
  let left = random(state);
  for (const [reason, share] of reasons) {
    if (left < share) return reason === 'sign-occluded' && withoutSign.has(trueCode) ? 'low-confidence' : reason;
    left -= share;
  }
  return reasons[0]![0];
}

/** Fisher and Yates. */
function shuffled(state: Random, values: readonly number[]): number[] {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = randomIndex(state, last + 1);
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
