import { type Random, random, randomBetween } from '../random.ts';
import { fontFamily } from './pixels.ts';
import { pick, sideWalkM } from './street.ts';
import { type Colour, css, fill, fillAll, mix, onSheet, type Point, type View } from './view.ts';

const walls: readonly Colour[] = [
  [142, 84, 68],
  [164, 106, 82],
  [120, 82, 66],
  [186, 166, 138],
  [168, 160, 150],
  [152, 128, 104],
  [128, 112, 104],
];
const awnings: readonly Colour[] = [
  [36, 92, 66],
  [158, 44, 42],
  [38, 66, 124],
  [196, 150, 62],
  [70, 70, 76],
];
const trades = ['DELI', 'LAUNDROMAT', 'PIZZA', 'HARDWARE', 'PHARMACY', 'BAKERY', 'COFFEE', 'NAILS', 'FLORIST', 'BOOKS'];

/** Houses along one side: `side` 1 is the near one, whose house opposite the vehicle carries the number. */
export function drawBuildings(
  view: View,
  state: Random,
  x: number,
  side: 1 | -1,
  house: string | undefined,
  crossing: readonly [number, number] | undefined,
): void {
  const shade = side > 0 ? 0.98 : 0.8;
  const row: { z: number; lengthM: number; stories: number; wall: Colour; shop: boolean; door: boolean }[] = [];
  for (let z = side > 0 ? -1.5 : 6; z < 100; ) {
    let lengthM = randomBetween(state, 6.5, 11);
    const [gap0, gap1] = crossing === undefined ? [1000, 1000] : [crossing[0] - sideWalkM, crossing[1] + sideWalkM];
    const corner = z < gap0 && z + lengthM > gap0;
    if (corner) lengthM = gap0 - z;
    const stories = 3 + Math.floor(random(state) * 3);
    const shop = random(state) < 0.45;
    const opposite = side > 0 && z > 4 && !row.some(({ door }) => door);
    row.push({ z, lengthM, stories, wall: pick(state, walls), shop: shop && !opposite, door: opposite });
    z = corner ? gap1 : z + lengthM;
    if (row.at(-1)!.z >= gap0 && row.at(-1)!.z < gap1) row.pop();
  }
  for (const { z, lengthM, stories, wall, shop, door } of row.reverse()) {
    const far = Math.min(0.75, Math.max(0, (z - 14) / 90));
    const topM = 0.6 + stories * 3.2;
    const tone = (colour: Colour) => mix(colour, view.light.haze, far);
    const part = (z0: number, z1: number, y0: number, y1: number): Point[] => [
      [x, y0, z0],
      [x, y1, z0],
      [x, y1, z1],
      [x, y0, z1],
    ];
    if (crossing !== undefined && z > crossing[1] && z < crossing[1] + 4) {
      fill(
        view,
        [
          [x, 0.1, z],
          [x, topM, z],
          [x + 16, topM, z],
          [x + 16, 0.1, z],
        ],
        css(tone(wall), 0.78),
      );
    }
    fill(view, part(z, z + lengthM, 0.1, topM), css(tone(wall), shade));
    fill(view, part(z, z + lengthM, topM - 0.45, topM), css(tone(wall), shade * 1.2));
    const glass: Point[][] = [];
    const lit: Point[][] = [];
    const sills: Point[][] = [];
    const columns = Math.max(2, Math.floor(lengthM / 2.1));
    if (z < 60) {
      for (let floor = shop ? 1 : 0; floor < stories; floor++) {
        for (let column = 0; column < columns; column++) {
          if (floor === 0 && column === 0) continue;
          const left = z + ((column + 0.28) * lengthM) / columns;
          const foot = 1.25 + floor * 3.2;
          const window = part(left, left + 0.95, foot, foot + 1.65);
          (random(state) < view.light.litWindows ? lit : glass).push(window);
          if (z < 30)
            sills.push(
              part(left - 0.1, left + 1.05, foot - 0.14, foot),
              part(left - 0.1, left + 1.05, foot + 1.65, foot + 1.85),
            );
        }
      }
      fillAll(view, sills, css(tone(mix(wall, [226, 218, 204], 0.6)), shade));
      fillAll(view, glass, css(tone([62, 74, 88]), shade));
      fillAll(view, lit, css(tone([255, 214, 140])));
    }
    if (shop) drawShop(view, state, part, z, lengthM, tone, x, side);
    else if (z < 40) drawDoor(view, state, part, z, lengthM / columns, tone, x, door ? house : undefined);
  }
}

type Part = (z0: number, z1: number, y0: number, y1: number) => Point[];
type Tone = (colour: Colour) => Colour;

function drawShop(
  view: View,
  state: Random,
  part: Part,
  z: number,
  lengthM: number,
  tone: Tone,
  x: number,
  side: number,
) {
  const awning = pick(state, awnings);
  const out = x - side * 0.9;
  const [from, to] = [z + 0.4, z + lengthM - 0.4];
  const lit = random(state) < view.light.litWindows * 2;
  fill(view, part(from, to, 0.5, 2.7), css(tone(lit ? [250, 220, 160] : [58, 66, 76])));
  fillAll(
    view,
    [part(from + 2.4, from + 2.5, 0.5, 2.7), part(to - 1.3, to - 1.2, 0.2, 2.7)],
    css(tone([190, 186, 178])),
  );
  const lip: Point[] = [
    [out, 2.45, from],
    [out, 2.8, from],
    [out, 2.8, to],
    [out, 2.45, to],
  ];
  fill(
    view,
    [
      [x, 3.35, from],
      [x, 3.35, to],
      [out, 2.8, to],
      [out, 2.8, from],
    ],
    css(tone(awning), 1.1),
  );
  fill(view, lip, css(tone(awning), 0.85));
  if (z > 30 || side < 0) return;
  onSheet(
    view,
    [
      [x - 0.5, 3.3, Math.min(to, from + 5)],
      [x - 0.5, 3.3, from],
      [out, 2.8, Math.min(to, from + 5)],
    ],
    [500, 60],
    pen => {
      pen.fillStyle = css([250, 246, 236]);
      pen.font = `56px "${fontFamily}"`;
      pen.textAlign = 'center';
      pen.fillText(pick(state, trades), 250, 52, 460);
    },
  );
}

/** Door with a stoop; its transom carries the house number. */
function drawDoor(
  view: View,
  state: Random,
  part: Part,
  z: number,
  columnM: number,
  tone: Tone,
  x: number,
  house: string | undefined,
) {
  const left = z + columnM * 0.2;
  const door: Colour = pick(state, [
    [72, 44, 34],
    [34, 56, 48],
    [120, 34, 34],
    [40, 44, 60],
  ] as const);
  fill(view, part(left - 0.15, left + 1.35, 0.15, 3), css(tone([214, 204, 188])));
  fill(view, part(left + 0.05, left + 1.15, 0.35, 2.35), css(tone(door)));
  fill(view, part(left + 0.05, left + 1.15, 2.4, 2.9), css(tone([30, 36, 44])));
  if (house === undefined || x < 0) return;
  onSheet(
    view,
    [
      [x, 2.9, left + 1.15],
      [x, 2.9, left + 0.05],
      [x, 2.4, left + 1.15],
    ],
    [160, 62],
    pen => {
      pen.fillStyle = css([22, 28, 40]);
      pen.fillRect(0, 0, 160, 62);
      pen.fillStyle = css([246, 226, 160]);
      pen.font = `54px "${fontFamily}"`;
      pen.textAlign = 'center';
      pen.fillText(house, 80, 50, 150);
    },
  );
}
