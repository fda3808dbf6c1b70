import { paintOf } from './paint.ts';
import { write } from './sign.ts';
import type { Place, Vehicle } from './vehicle.ts';
import type { Shape } from './vehicle-shape.ts';
import { type Colour, css, fill, fillAll, line, mix, onSheet, type Point, type View } from './view.ts';

const trim: Colour = [34, 34, 38];

export function drawLights(view: View, vehicle: Vehicle, shape: Shape, to: Place): void {
  const [low, high] = shape.tail;
  const edge = vehicle.front ? shape.lengthM + 0.02 : -0.02;
  const half =
    (shape.box !== undefined && !vehicle.front ? shape.box.halfM : (shape.hull[2]?.[2] ?? shape.box!.halfM)) - 0.03;
  const quad = (x0: number, x1: number, y0: number, y1: number, out = 0): Point[] =>
    (
      [
        [x0, y0, edge - out],
        [x1, y0, edge - out],
        [x1, y1, edge - out],
        [x0, y1, edge - out],
      ] as Point[]
    ).map(to);
  if (vehicle.front) {
    if (shape.hull.length === 0 && shape.box?.coach !== true) return;
    fillAll(view, [quad(-half, -half + 0.4, 0.62, 0.8), quad(half - 0.4, half, 0.62, 0.8)], css([236, 240, 244]));
    fill(view, quad(-half + 0.46, half - 0.46, 0.6, 0.8), css(trim));
    fill(view, quad(-half, half, 0.28, 0.44), css(trim, 1.2));
    return;
  }
  const wide = high - low > 0.3 ? 0.16 : 0.36;
  const lamps = [quad(half - wide, half, low, high)];
  if (vehicle.tailLightMissing !== true) lamps.push(quad(-half, -half + wide, low, high));
  fillAll(view, lamps, css([172, 24, 28]));
  if (vehicle.plain === true) return;
  fillAll(
    view,
    [quad(half - wide * 0.7, half - wide * 0.25, low + (high - low) * 0.3, high - (high - low) * 0.25, 0.01)],
    css([232, 84, 70]),
  );
  if (vehicle.hazard === true) {
    fillAll(
      view,
      [quad(-half, -half + wide, low, high, 0.01), quad(half - wide, half, low, high, 0.01)],
      css([255, 168, 40]),
    );
    fillAll(
      view,
      [
        quad(-half - 0.12, -half + wide + 0.12, low - 0.12, high + 0.12, 0.02),
        quad(half - wide - 0.12, half + 0.12, low - 0.12, high + 0.12, 0.02),
      ],
      css([255, 190, 80], 1, 0.3),
    );
  }
  if (vehicle.tailLightMissing === true) fill(view, quad(-half, -half + wide, low, high), css([16, 16, 18]));
  if (shape.box === undefined) fill(view, quad(-half + 0.04, half - 0.04, 0.3, 0.44), css(trim, 1.1));
}

export function drawFolds(view: View, { lengthM, hull }: Shape, to: Place): void {
  const half = hull[2]?.[2] ?? 0.9;
  for (let fold = 0; fold < 7; fold++) {
    const x = -half + 0.1 + (fold * (2 * half - 0.2)) / 6;
    line(view, to([x, 1.05, 0]), to([x * 1.05, 0.4, -0.03]), 0.03, css([70, 86, 106], 1, 0.7));
  }
  line(view, to([-half, 0.42, -0.02]), to([half, 0.42, -0.02]), 0.05, css([206, 196, 150]));
  line(view, to([-half, 0.9, lengthM / 2]), to([half, 0.9, lengthM / 2]), 0.05, css([206, 196, 150]));
}

/** Seams, trim and mirrors: what tells a car from a box. */
export function drawTrim(
  view: View,
  vehicle: Vehicle,
  { hull, cabin, box, tail, plateY, lengthM }: Shape,
  to: Place,
): void {
  if (cabin === undefined || box !== undefined) return;
  const paint = paintOf(vehicle.colour);
  const edge = vehicle.front ? lengthM + 0.03 : -0.03;
  const half = hull[2]![2];
  const [dark, bright] = [css(paint, 0.55), css(mix(paint, [255, 255, 255], 0.5), 1, 0.8)];
  if (vehicle.front) {
    for (const y of [0.66, 0.72])
      line(view, to([-half + 0.5, y, edge + 0.01]), to([half - 0.5, y, edge + 0.01]), 0.012, css([120, 122, 126]));
  } else {
    line(view, to([-half + 0.3, tail[0] - 0.04, edge]), to([half - 0.3, tail[0] - 0.04, edge]), 0.014, dark);
    line(
      view,
      to([-half + 0.42, plateY + 0.3, edge]),
      to([half - 0.42, plateY + 0.3, edge]),
      0.035,
      css([190, 192, 196]),
    );
    line(view, to([-half + 0.03, 0.47, edge]), to([half - 0.03, 0.47, edge]), 0.012, dark);
    drawBadge(view, vehicle.make, to, half, plateY + 0.06, edge);
    const top = hull.find(([z, y]) => z > 0 && y > tail[1] - 0.08) ?? hull[3]!;
    line(view, to([-top[2] + 0.05, top[1] + 0.01, top[0]]), to([top[2] - 0.05, top[1] + 0.01, top[0]]), 0.02, bright);
  }
}

/** First five letters, as New York writes makes, of what does not read well when cut. */
const makes: Record<string, string> = {
  TOYOT: 'TOYOTA',
  NISSA: 'NISSAN',
  CHEVR: 'CHEVROLET',
  HYUND: 'HYUNDAI',
  'ME/BE': 'MERCEDES',
  INFIN: 'INFINITI',
  VOLKS: 'VOLKSWAGEN',
  SUBAR: 'SUBARU',
  CHRYS: 'CHRYSLER',
  LINCO: 'LINCOLN',
  CADIL: 'CADILLAC',
  MITSU: 'MITSUBISHI',
  'NS/OT': '',
};

function drawBadge(view: View, make: string | undefined, to: Place, half: number, y: number, edge: number): void {
  const text = makes[make ?? ''] ?? make ?? '';
  if (text === '') return;
  const corners: Point[] = [
    [-half + 0.06, y + 0.1, edge],
    [-half + 0.5, y + 0.1, edge],
    [-half + 0.06, y, edge],
  ];
  onSheet(view, corners.map(to) as [Point, Point, Point], [190, 42], pen => {
    pen.fillStyle = css([206, 208, 212]);
    write(pen, text, 95, 2, 184, 44);
  });
}

/** Outside mirrors; to be drawn before the body, which hides the farther one. */
export function drawMirrors(view: View, vehicle: Vehicle, { cabin }: Shape, to: Place): void {
  if (cabin === undefined) return;
  const [z, out] = [cabin[3]![0] - 0.45, cabin[3]![2] + 0.05];
  const mirrors = [-1, 1].map((side): Point[] =>
    (
      [
        [side * out, cabin[3]![1] + 0.02, z],
        [side * (out + 0.24), cabin[3]![1] + 0.06, z],
        [side * (out + 0.24), cabin[3]![1] + 0.24, z],
        [side * out, cabin[3]![1] + 0.2, z],
      ] as Point[]
    ).map(to),
  );
  fillAll(view, mirrors, css(paintOf(vehicle.colour), 0.6));
}

/** Furniture and boxes tied to the roof: a vehicle that fits no class. */
export function drawLoad(view: View, { cabin, box, lengthM }: Shape, to: Place): void {
  const roofY = box?.y[1] ?? cabin?.[1]?.[1] ?? 1;
  const onCabin = cabin !== undefined && box === undefined;
  const [z0, z1] = onCabin ? [cabin[1]![0] - 0.3, cabin[2]![0]] : [0.4, Math.min(3, lengthM)];
  const loads: [x0: number, x1: number, high: number, colour: Colour][] = [
    [-0.85, 0.9, 0.28, [226, 220, 200]],
    [-0.7, 0.1, 0.75, [150, 108, 66]],
    [0.15, 0.85, 0.55, [92, 122, 148]],
  ];
  for (const [x0, x1, high, colour] of loads) {
    const corner = (x: number, up: number, z: number) => to([x, roofY + 0.03 + up, z]);
    for (const z of [z1, z0]) {
      fill(view, [corner(x0, 0, z), corner(x1, 0, z), corner(x1, high, z), corner(x0, high, z)], css(colour, 0.82));
    }
    fill(
      view,
      [corner(x0, high, z0), corner(x1, high, z0), corner(x1, high, z1), corner(x0, high, z1)],
      css(colour, 1.1),
    );
    line(view, corner(x0, high * 0.5, z0), corner(x1, high * 0.5, z0), 0.03, css([30, 30, 30]));
  }
}

/** Saddle, handlebar, mirrors and lamp of a motorcycle. */
export function drawMotorcycle(view: View, to: Place): void {
  const flat = (half: number, y: number, z: number, highM: number): Point[] =>
    (
      [
        [-half, y, z],
        [half, y, z],
        [half, y + highM, z],
        [-half, y + highM, z],
      ] as Point[]
    ).map(to);
  const bar = css([60, 62, 66]);
  line(view, to([-0.4, 1.12, 1.55]), to([0.4, 1.12, 1.55]), 0.06, bar);
  for (const side of [-1, 1]) line(view, to([side * 0.34, 1.12, 1.55]), to([side * 0.4, 1.36, 1.55]), 0.03, bar);
  fillAll(
    view,
    [flat(0.1, 1.32, 1.55, 0.14).map(plusX(-0.42)), flat(0.1, 1.32, 1.55, 0.14).map(plusX(0.42))],
    css(trim),
  );
  fill(
    view,
    (
      [
        [-0.17, 0.94, 0.3],
        [0.17, 0.94, 0.3],
        [0.2, 0.92, 1.05],
        [-0.2, 0.92, 1.05],
      ] as Point[]
    ).map(to),
    css(trim),
  );
  fill(view, flat(0.13, 0.84, 0.02, 0.09), css([186, 28, 30]));
  line(view, to([0.24, 0.36, 0.1]), to([0.24, 0.4, 1.2]), 0.1, css([170, 172, 176]));
}

const plusX =
  (dx: number) =>
  ([x, y, z]: Point): Point => [x + dx, y, z];
