import { fontFamily } from './pixels.ts';
import { kerbM, roadM, sidewalkM, slab } from './street.ts';
import { type Colour, clipTo, css, fill, fillAll, onSheet, type Point, type View } from './view.ts';

const white: Colour = [226, 226, 220];

/** Letters as they are rolled onto roads: 5 x 7 fields, a row from the top in each five bits. */
const letters: Record<string, readonly number[]> = {
  A: [14, 17, 17, 31, 17, 17, 17],
  B: [30, 17, 17, 30, 17, 17, 30],
  C: [15, 16, 16, 16, 16, 16, 15],
  E: [31, 16, 16, 30, 16, 16, 31],
  H: [17, 17, 17, 31, 17, 17, 17],
  L: [16, 16, 16, 16, 16, 16, 31],
  N: [17, 25, 25, 21, 19, 19, 17],
  O: [14, 17, 17, 17, 17, 17, 14],
  P: [30, 17, 17, 30, 16, 16, 16],
  S: [15, 16, 16, 14, 1, 1, 30],
  T: [31, 4, 4, 4, 4, 4, 4],
  U: [17, 17, 17, 17, 17, 17, 14],
  Y: [17, 17, 10, 4, 4, 4, 4],
};

/** A word of the letters above as it is read by who drives there, between x0 and x1, from z0 (near) to z1. */
export function paintWord(view: View, word: string, x0: number, x1: number, z0: number, z1: number): void {
  const text = view.camera.mirrored ? [...word].reverse() : [...word];
  const wideM = (x1 - x0) / (text.length * 6 - 1);
  const highM = (z1 - z0) / 7;
  const fields = text.flatMap((letter, place) =>
    letters[letter]!.flatMap((bits, row) =>
      [0, 1, 2, 3, 4].flatMap(column => {
        const bit = view.camera.mirrored ? column : 4 - column;
        if ((bits & (1 << bit)) === 0) return [];
        const x = x0 + (place * 6 + column) * wideM;
        const z = z1 - (row + 1) * highM;
        return [slab(x, x + wideM * 1.03, z, z + highM * 1.02)];
      }),
    ),
  );
  fillAll(view, fields, css(white));
}

/** A lane in colour, such as the red of buses and the green of bicycles, with its edge line. */
export function paintLane(view: View, x0: number, x1: number, colour: Colour): void {
  fill(view, slab(x0, x1, -4, 90), css(colour, 1, 0.82));
  fillAll(view, [slab(x0 - 0.08, x0 + 0.08, -4, 90)], css(white));
}

export function paintDashes(view: View, x: number): void {
  fillAll(
    view,
    Array.from({ length: 9 }, (_, index) => slab(x - 0.07, x + 0.07, index * 6, index * 6 + 3)),
    css(white, 1, 0.85),
  );
}

export function paintCrosswalk(view: View, z0: number, z1: number): void {
  const bars = Array.from({ length: 8 }, (_, index) => {
    const x = -roadM + 0.5 + index * 1.16;
    return slab(x, x + 0.58, z0, z1);
  });
  fillAll(view, bars, css(white, 1.02, 0.92));
}

export function paintStopLine(view: View, z: number): void {
  fill(view, slab(-roadM + 0.3, -0.3, z, z + 0.5), css(white));
}

/** The grid of a junction to be kept clear, or the hatching of an area nobody may use. */
export function paintHatching(
  view: View,
  x0: number,
  x1: number,
  z0: number,
  z1: number,
  crossed: boolean,
  colour = white,
): void {
  const { pen } = view;
  pen.save();
  clipTo(view, slab(x0, x1, z0, z1));
  const bars: Point[][] = [];
  const reach = x1 - x0;
  for (let z = z0 - reach; z < z1 + reach; z += 1.5) {
    bars.push([
      [x0, 0, z],
      [x0, 0, z + 0.3],
      [x1, 0, z + reach + 0.3],
      [x1, 0, z + reach],
    ]);
    if (crossed)
      bars.push([
        [x1, 0, z],
        [x1, 0, z + 0.3],
        [x0, 0, z + reach + 0.3],
        [x0, 0, z + reach],
      ]);
  }
  fillAll(view, bars, css(colour, 1, 0.92));
  pen.restore();
  const edge = 0.16;
  fillAll(
    view,
    [
      slab(x0, x0 + edge, z0, z1),
      slab(x1 - edge, x1, z0, z1),
      slab(x0, x1, z0, z0 + edge),
      slab(x0, x1, z1 - edge, z1),
    ],
    css(colour),
  );
}

/** Lines of parking spaces that begin at each of `zs`. */
export function paintSpaces(view: View, zs: readonly number[]): void {
  fillAll(
    view,
    zs.flatMap(z => [slab(-2.4, -0.05, z - 0.07, z + 0.07), slab(-2.5, -2.3, z - 0.7, z + 0.7)]),
    css(white),
  );
}

export function paintBicycle(view: View, x: number, z: number): void {
  onSheet(
    view,
    [
      [x - 0.6, 0, z + 2.2],
      [x + 0.6, 0, z + 2.2],
      [x - 0.6, 0, z],
    ],
    [200, 200],
    pen => {
      pen.strokeStyle = css(white);
      pen.lineWidth = 13;
      pen.beginPath();
      pen.arc(48, 140, 36, 0, 7);
      pen.moveTo(188, 140);
      pen.arc(152, 140, 36, 0, 7);
      pen.moveTo(48, 140);
      pen.lineTo(80, 76);
      pen.lineTo(132, 76);
      pen.lineTo(152, 140);
      pen.moveTo(80, 76);
      pen.lineTo(100, 140);
      pen.lineTo(132, 76);
      pen.moveTo(132, 76);
      pen.lineTo(126, 52);
      pen.lineTo(150, 48);
      pen.stroke();
    },
  );
}

/** The kerb let down to the road: a driveway's, or a ramp for wheelchairs with its yellow studs. */
export function paintCut(view: View, z0: number, z1: number, studs: boolean): void {
  fill(
    view,
    [
      [0, 0.005, z0 - 0.5],
      [0, 0.005, z1 + 0.5],
      [1.2, kerbM, z1],
      [1.2, kerbM, z0],
    ],
    css([150, 147, 140]),
  );
  fill(view, slab(1.2, studs ? 1.25 : sidewalkM, z0, z1, kerbM), css([158, 155, 148]));
  if (!studs) return;
  fill(
    view,
    [
      [0.12, 0.03, z0 + 0.05],
      [0.12, 0.03, z1 - 0.05],
      [0.95, 0.125, z1 - 0.05],
      [0.95, 0.125, z0 + 0.05],
    ],
    css([236, 184, 40]),
  );
  const dots: Point[][] = [];
  for (let x = 0.25; x < 0.9; x += 0.16)
    for (let z = z0 + 0.2; z < z1 - 0.1; z += 0.18) dots.push(slab(x, x + 0.07, z, z + 0.07, x * 0.12 + 0.02));
  fillAll(view, dots, css([176, 128, 20]));
}

/** The door of a garage in the house front. */
export function paintGarage(view: View, z0: number, z1: number): void {
  const x = sidewalkM - 0.02;
  const part = (y0: number, y1: number, a = z0, b = z1): Point[] => [
    [x, y0, a],
    [x, y1, a],
    [x, y1, b],
    [x, y0, b],
  ];
  fill(view, part(kerbM, 2.95, z0 - 0.2, z1 + 0.2), css([96, 92, 88]));
  fill(view, part(kerbM, 2.75), css([206, 206, 200]));
  fillAll(
    view,
    [0.65, 1.15, 1.65, 2.15].map(y => part(y, y + 0.05)),
    css([150, 150, 146]),
  );
  onSheet(
    view,
    [
      [x - 0.01, 2.1, z1 - 0.4],
      [x - 0.01, 2.1, z0 + 0.4],
      [x - 0.01, 0.9, z1 - 0.4],
    ],
    [300, 130],
    pen => {
      pen.fillStyle = css([196, 30, 30]);
      pen.font = `52px "${fontFamily}"`;
      pen.textAlign = 'center';
      pen.fillText('NO PARKING', 150, 56, 290);
      pen.fillText('DRIVEWAY', 150, 116, 290);
    },
  );
}
