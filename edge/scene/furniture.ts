import { type Random, randomBetween } from '../random.ts';
import { write } from './sign.ts';
import { kerbM } from './street.ts';
import { type Colour, css, facing, fill, fillAll, onSheet, type Point, project, scaleAt, type View } from './view.ts';

/** An upright box that is drawn as its front and its upper side. */
export function drawBlock(
  view: View,
  [x, y, z]: Point,
  wideM: number,
  highM: number,
  deepM: number,
  colour: Colour,
): void {
  const [l, r, t] = [x - wideM / 2, x + wideM / 2, y + highM];
  fill(
    view,
    [
      [l, t, z],
      [r, t, z],
      [r, t, z + deepM],
      [l, t, z + deepM],
    ],
    css(colour, 1.15),
  );
  const seen = view.camera.at[0] < x ? l : r;
  fill(
    view,
    [
      [seen, y, z],
      [seen, t, z],
      [seen, t, z + deepM],
      [seen, y, z + deepM],
    ],
    css(colour, 0.72),
  );
  fill(
    view,
    [
      [l, y, z],
      [r, y, z],
      [r, t, z],
      [l, t, z],
    ],
    css(colour, 0.92),
  );
}

/** A round upright thing of `outline`, half-widths at heights, as turned on a lathe; lit from the left. */
function drawTurned(
  view: View,
  [x, y, z]: Point,
  outline: readonly (readonly [halfM: number, y: number])[],
  colour: Colour,
): void {
  const side = (sign: number, share = 1) => outline.map(([half, up]): Point => [x + sign * half * share, y + up, z]);
  fill(view, [...side(-1), ...side(1).reverse()], css(colour, 0.8));
  fill(view, [...side(-0.75), ...side(0.35).reverse()], css(colour, 1.1));
}

export function drawHydrant(view: View, foot: Point): void {
  const [x, y, z] = foot;
  const red: Colour = [206, 40, 34];
  fill(view, facingQuad([x + 0.25, y + 0.005, z], 0.9, 0.001), css([30, 30, 34], 1, 0.3));
  fillAll(view, [facingQuad([x, y + 0.5, z - 0.02], 0.66, 0.17)], css(red, 0.7));
  drawTurned(
    view,
    foot,
    [
      [0.24, 0],
      [0.24, 0.07],
      [0.16, 0.09],
      [0.16, 0.68],
      [0.21, 0.7],
      [0.21, 0.76],
      [0.15, 0.86],
      [0.06, 0.93],
      [0.06, 1],
    ],
    red,
  );
  fillAll(view, [facingQuad([x, y + 0.46, z - 0.03], 0.2, 0.22)], css([230, 226, 214]));
}

function facingQuad(foot: Point, wideM: number, highM: number): Point[] {
  const [topLeft, topRight, bottomLeft] = facing(foot, wideM, highM);
  return [topLeft, topRight, [topRight[0], bottomLeft[1], bottomLeft[2]], bottomLeft];
}

/** A pay station of the city (`post` false) or a meter on a post, with what its window shows. */
export function drawMeter(view: View, foot: Point, post: boolean, shows: string, alarm: boolean): void {
  const [x, y, z] = foot;
  if (post) {
    fill(view, facingQuad(foot, 0.09, 1.1), css([96, 98, 102]));
    drawTurned(
      view,
      [x, y + 1.05, z],
      [
        [0.17, 0],
        [0.2, 0.1],
        [0.2, 0.38],
        [0.15, 0.5],
        [0.05, 0.55],
      ],
      [92, 98, 106],
    );
  } else {
    drawBlock(view, foot, 0.5, 1.75, 0.4, [70, 96, 84]);
    onSheet(view, facing([x, y + 1.42, z - 0.02], 0.44, 0.22), [200, 100], pen => {
      pen.fillStyle = css([248, 248, 246]);
      pen.fillRect(0, 0, 200, 100);
      pen.fillStyle = css([14, 104, 62]);
      write(pen, 'P METER', 100, 26, 180, 60);
    });
  }
  const place: Point = post ? [x, y + 1.2, z - 0.03] : [x, y + 1.08, z - 0.02];
  onSheet(view, facing(place, post ? 0.34 : 0.42, 0.26), [200, 120], pen => {
    pen.fillStyle = css(alarm ? [200, 24, 24] : [196, 214, 170]);
    pen.fillRect(0, 0, 200, 120);
    pen.fillStyle = css(alarm ? [255, 255, 255] : [20, 30, 20]);
    write(pen, shows, 100, 34, 190, 76);
  });
}

/** Full rubbish bags, as they wait at every kerb for the night. */
export function drawBags(view: View, [x, y, z]: Point, wideM: number, highM: number, chance: Random): void {
  const { pen, camera } = view;
  const scale = scaleAt(camera, [x, y, z]);
  for (let bag = 0; bag < 9; bag++) {
    const row = bag < 5 ? 0 : bag < 8 ? 1 : 2;
    const across = ((bag - [2, 6, 8][row]!) / 5) * wideM;
    const [cx, cy] = project(camera, [x + across, y + highM * (0.2 + row * 0.3), z - 0.02 * bag]);
    const radius = highM * 0.27 * scale * randomBetween(chance, 0.9, 1.15);
    pen.beginPath();
    pen.ellipse(cx, cy, radius * 1.15, radius, randomBetween(chance, -0.3, 0.3), 0, 7);
    pen.fillStyle = css([34, 34, 40], randomBetween(chance, 0.8, 1.25));
    pen.fill();
    pen.beginPath();
    pen.ellipse(cx - radius * 0.3, cy - radius * 0.4, radius * 0.36, radius * 0.14, -0.5, 0, 7);
    pen.fillStyle = css([150, 152, 162], 1, 0.55);
    pen.fill();
  }
}

/** A signal on a post: `red` or green is lit. */
export function drawSignal(view: View, foot: Point, red: boolean): void {
  const [x, y, z] = foot;
  fill(view, facingQuad(foot, 0.12, 3.1), css([60, 64, 62]));
  fill(view, facingQuad([x, y + 2, z - 0.03], 0.46, 1.25), css([212, 170, 36]));
  onSheet(view, facing([x, y + 2, z - 0.04], 0.46, 1.25), [92, 250], pen => {
    const lamps: readonly Colour[] = red
      ? [
          [255, 40, 30],
          [70, 56, 16],
          [20, 56, 30],
        ]
      : [
          [72, 20, 20],
          [70, 56, 16],
          [60, 255, 120],
        ];
    lamps.forEach((lamp, index) => {
      pen.fillStyle = css(lamp);
      pen.beginPath();
      pen.arc(46, 46 + index * 80, 33, 0, 7);
      pen.fill();
    });
  });
}

/** A board that stands at the kerb: measured speed, or what a barrier says. */
export function drawBoard(view: View, foot: Point, text: readonly string[], ground: Colour, ink: Colour): void {
  const [x, y, z] = foot;
  fill(view, facingQuad(foot, 0.1, 1.5), css([80, 82, 86]));
  onSheet(view, facing([x, y + 1.2, z - 0.03], 1.1, 0.95), [330, 285], pen => {
    pen.fillStyle = css([40, 40, 42]);
    pen.fillRect(-6, -6, 342, 297);
    pen.fillStyle = css(ground);
    pen.fillRect(0, 0, 330, 285);
    pen.fillStyle = css(ink);
    let at = 18;
    for (const line of text) at += write(pen, line, 165, at, 300, 250 / text.length) + 6;
  });
}

/** The glass shelter of a bus stop. */
export function drawShelter(view: View, z: number): void {
  const [x0, x1, y0, y1] = [1.2, 2.6, kerbM, 2.5];
  fill(
    view,
    [
      [x1, y0, z],
      [x1, y1, z],
      [x1, y1, z + 3.6],
      [x1, y0, z + 3.6],
    ],
    css([170, 196, 206], 1, 0.5),
  );
  fill(
    view,
    [
      [x0, y0, z + 3.6],
      [x1, y0, z + 3.6],
      [x1, y1, z + 3.6],
      [x0, y1, z + 3.6],
    ],
    css([150, 180, 196], 1, 0.5),
  );
  fill(
    view,
    [
      [x0 - 0.3, y1, z - 0.1],
      [x1 + 0.1, y1, z - 0.1],
      [x1 + 0.1, y1, z + 3.7],
      [x0 - 0.3, y1, z + 3.7],
    ],
    css([66, 72, 78]),
  );
  fill(
    view,
    [
      [x0 - 0.3, y1, z - 0.1],
      [x0 - 0.3, y1 - 0.14, z - 0.1],
      [x0 - 0.3, y1 - 0.14, z + 3.7],
      [x0 - 0.3, y1, z + 3.7],
    ],
    css([44, 48, 54]),
  );
  fillAll(view, [facingQuad([x1, y0, z], 0.08, y1), facingQuad([x0, y0, z + 3.6], 0.08, y1)], css([50, 54, 60]));
}
