import type { Random } from '../random.ts';
import { random, randomBetween, seededRandom } from '../random.ts';
import { drawBags } from './furniture.ts';
import type { PlateCover } from './plate.ts';
import type { SceneFacts } from './scene.ts';
import type { Evidence, Site } from './site.ts';
import { drawLeaves } from './tree.ts';
import { type Colour, css, heightPx, project, scaleAt, type View, widthPx } from './view.ts';

/** What makes a picture hard, as far as the composition has to know. `hides`: nobody can tell from this one. */
export interface Difficulty {
  reason: SceneFacts['reason'];
  hides: boolean;
  plateCover: PlateCover;
  tarpaulin: boolean;
  edge: 'near' | 'cut' | undefined;
}

const hidingCovers = ['rack', 'blurred', 'snow'] as const;

export function difficultyOf({ reason, remedy, look, seed }: SceneFacts): Difficulty {
  const chance = seededRandom(3, seed);
  const hides = remedy === 'escalate' || (remedy === 'photograph-again' && look === 1);
  const clear = reason === undefined || (remedy === 'photograph-again' && look === 2);
  const cover = hidingCovers[Math.floor(random(chance) * hidingCovers.length)]!;
  return {
    reason: clear ? undefined : reason,
    hides,
    plateCover: clear ? 'none' : coverOf(reason, hides, cover),
    tarpaulin: !clear && reason === 'unknown-vehicle' && remedy !== 'photograph-again',
    edge: clear || reason !== 'camera-angle' ? undefined : hides ? 'cut' : 'near',
  };
}

function coverOf(reason: SceneFacts['reason'], hides: boolean, hiding: PlateCover): PlateCover {
  if (reason === 'plate-unreadable') return hides ? hiding : 'dirty';
  return reason === 'unknown-vehicle' && hides ? 'tarpaulin' : 'none';
}

/** Puts in front of the finished street what the reason names. */
export function drawDifficulty(
  view: View,
  site: Site,
  { reason, hides }: Difficulty,
  seed: string,
  remedy: SceneFacts['remedy'],
): void {
  const chance = seededRandom(4, seed);
  if (reason === 'sign-occluded') occlude(view, site.evidence, hides, chance);
  if (reason === 'two-codes-possible' && hides) occlude(view, site.evidence, true, chance);
  if (reason === 'unknown-vehicle' && remedy === 'photograph-again') drawPassingTruck(view, site);
  if (reason === 'low-confidence') drawRain(view, hides, chance);
}

function occlude(view: View, { at, wideM, highM, kind }: Evidence, whole: boolean, chance: Random): void {
  const [x, y] = project(view.camera, [at[0], at[1] + highM / 2, at[2]]);
  const scale = scaleAt(view.camera, at);
  const [wide, high] = [wideM * scale, highM * scale];
  if (kind === 'low') {
    drawBags(view, [at[0] + (whole ? -0.1 : 0.05), at[1], at[2] - 0.5], whole ? 1.7 : 1, whole ? 1.5 : 0.6, chance);
    return;
  }
  if (kind === 'glass') {
    drawGlare(view, x, y, wide, whole);
    return;
  }
  // A branch that reaches in from the side of the houses.
  const into = view.camera.mirrored ? -1 : 1;
  const { pen } = view;
  const edge = into > 0 ? widthPx + 10 : -10;
  pen.strokeStyle = css([70, 56, 44]);
  pen.lineWidth = 7;
  pen.beginPath();
  pen.moveTo(edge, y - 170);
  pen.quadraticCurveTo((x + edge) / 2, y - 20, x, y + high * 0.2);
  pen.stroke();
  if (whole) drawLeaves(view, x, y, wide * 0.75, high * 0.75, 70, chance);
  else drawLeaves(view, x + into * wide * 0.42, y + high * 0.42, wide * 0.5, high * 0.36, 34, chance);
  for (const share of [0.3, 0.62, 0.95]) {
    drawLeaves(view, x + (edge - x) * share, y - 10 - 150 * share * share, 90, 46, 16, chance);
  }
}

/** The sky in a windshield. */
function drawGlare({ pen }: View, x: number, y: number, wide: number, whole: boolean): void {
  const glare = pen.createRadialGradient(x, y, 4, x, y, wide * 0.8);
  glare.addColorStop(0, whole ? 'rgba(255,255,255,1)' : 'rgba(255,255,255,0.55)');
  glare.addColorStop(0.6, whole ? 'rgba(255,255,255,0.98)' : 'rgba(255,255,255,0.35)');
  glare.addColorStop(1, 'rgba(255,255,255,0)');
  pen.fillStyle = glare;
  pen.fillRect(x - wide, y - wide, 2 * wide, 2 * wide);
}

/** A truck that drives by between the drone and the vehicle. */
function drawPassingTruck(view: View, site: Site): void {
  const { pen, camera } = view;
  const [x] = project(camera, site.vehicle.at);
  const from = camera.mirrored ? x - 230 : -30;
  const to = camera.mirrored ? widthPx + 30 : x + 230;
  const bands: [number, number, Colour][] = [
    [150, 560, [196, 198, 200]],
    [560, 610, [60, 62, 66]],
    [610, 660, [34, 34, 38]],
  ];
  for (const [top, bottom, colour] of bands) {
    for (const [grow, alpha] of [
      [0, 0.35],
      [-10, 0.5],
      [-22, 1],
    ] as const) {
      pen.fillStyle = css(colour, 1, alpha);
      pen.fillRect(from - grow, top, to - from + 2 * grow, bottom - top);
    }
  }
  pen.fillStyle = css([170, 60, 50]);
  pen.fillRect(from, 330, to - from - 22, 46);
  pen.fillStyle = css([20, 20, 22]);
  for (const share of [0.3, 0.72]) {
    pen.beginPath();
    pen.ellipse(from + (to - from) * share, 640, 66, 52, 0, 0, 7);
    pen.fill();
  }
}

/** Rain, and for one that hides all a camera that shook. */
function drawRain({ pen }: View, hides: boolean, chance: Random): void {
  pen.fillStyle = css([96, 106, 120], 1, 0.36);
  pen.fillRect(0, 0, widthPx, heightPx);
  if (hides) {
    for (const shift of [5, 11, 23, 31]) {
      pen.globalAlpha = 0.5;
      pen.drawImage(pen.canvas, shift, shift * 0.6, widthPx, heightPx);
    }
    pen.globalAlpha = 1;
  }
  pen.beginPath();
  for (let drop = 0; drop < 260; drop++) {
    const x = random(chance) * widthPx;
    const y = random(chance) * heightPx;
    const length = randomBetween(chance, 14, 40);
    pen.moveTo(x, y);
    pen.lineTo(x - length * 0.22, y + length);
  }
  pen.strokeStyle = 'rgba(226,234,244,0.42)';
  pen.lineWidth = 1.4;
  pen.stroke();
}
