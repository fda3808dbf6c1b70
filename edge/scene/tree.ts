import { type Random, random, randomBetween } from '../random.ts';
import { pathOf } from './pixels.ts';
import { type Colour, css, fill, type Point, project, type Spot, scaleAt, type View } from './view.ts';

/** A street tree: `crownM` above the ground begin its leaves. */
export function drawTree(view: View, foot: Point, crownM: number, chance: Random): void {
  const [x, y, z] = foot;
  fill(
    view,
    [
      [x - 0.14, y, z],
      [x + 0.14, y, z],
      [x + 0.09, y + crownM + 0.8, z],
      [x - 0.09, y + crownM + 0.8, z],
    ],
    css([84, 68, 54]),
  );
  const scale = scaleAt(view.camera, foot);
  const middle = project(view.camera, [x, y + crownM + 1.5, z]);
  drawLeaves(view, middle[0], middle[1], 1.9 * scale, 1.6 * scale, Math.min(26, 4 + scale * 0.34), chance);
}

/** A cloud of leaves in pixels: dark ones behind, light ones in front and above. */
export function drawLeaves(
  view: View,
  x: number,
  y: number,
  widePx: number,
  highPx: number,
  count: number,
  chance: Random,
): void {
  const { pen } = view;
  const tones: Colour[] = [
    [44, 74, 44],
    [62, 98, 54],
    [92, 128, 66],
  ];
  tones.forEach((tone, layer) => {
    let text = '';
    for (let leaf = 0; leaf < count * (1 - layer * 0.25); leaf++) {
      const angle = random(chance) * 2 * Math.PI;
      const away = Math.sqrt(random(chance)) * (1 - layer * 0.12);
      const cx = x + Math.cos(angle) * away * widePx;
      const cy = y + Math.sin(angle) * away * highPx - layer * highPx * 0.14;
      const radius = randomBetween(chance, 0.14, 0.3) * Math.min(widePx, highPx) * (1 - layer * 0.22);
      for (let corner = 0; corner < leafCorners.length; corner++) {
        const [dx, dy] = leafCorners[corner]!;
        text += `${corner === 0 ? 'M' : 'L'}${Math.round(cx + dx * radius)} ${Math.round(cy + dy * radius)}`;
      }
      text += 'Z';
    }
    pen.fillStyle = css(tone);
    pen.fill(pathOf(text));
  });
}

/** Clumps of leaves have few corners: cheaper than round ones, and more like leaves. */
const leafCorners: readonly Spot[] = Array.from({ length: 7 }, (_, corner): Spot => {
  const angle = ((corner + 0.3) / 7) * 2 * Math.PI;
  return [Math.cos(angle), Math.sin(angle)];
});
