import { type Random, random, randomBetween } from '../random.ts';
import { fontFamily } from './pixels.ts';
import { pick, sideWalkM } from './street.ts';
import { type Colour, css, fill, fillAll, mix, onSheet, type Point, project, type View } from './view.ts';

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

interface House {
  z: number;
  lengthM: number;
  stories: number;
  wall: Colour;
  shop: boolean;
  /** The one opposite the vehicle, which carries the number. */
  numbered: boolean;
  /** Random numbers of its own, so that what is out of the picture need not be drawn. */
  chance: Random;
}

type Part = (z0: number, z1: number, y0: number, y1: number) => Point[];
type Tone = (colour: Colour) => Colour;
/** Where a side street runs. */
export type Crossing = readonly [z0: number, z1: number] | undefined;

const storeyM = 3.2;
const endM = 90;

/** Houses along one side of the street, the farthest first; `side` 1 is the near one. */
export function drawBuildings(
  view: View,
  state: Random,
  x: number,
  side: 1 | -1,
  number: string | undefined,
  crossing: Crossing,
): void {
  for (const house of planRow(state, side, crossing).reverse()) drawHouse(view, house, x, side, number, crossing);
}

function planRow(state: Random, side: number, crossing: Crossing): House[] {
  const row: House[] = [];
  const [gap0, gap1] = crossing === undefined ? [endM, endM] : [crossing[0] - sideWalkM, crossing[1] + sideWalkM];
  for (let z = side > 0 ? -1.5 : 6; z < endM; ) {
    const wantedM = randomBetween(state, 6.5, 11);
    const stories = 3 + Math.floor(random(state) * 3);
    const wall = pick(state, walls);
    const shop = random(state) < 0.45;
    const chance = { word: state.word };
    const corner = z < gap0 && z + wantedM > gap0;
    const lengthM = corner ? gap0 - z : wantedM;
    if (z < gap0 || z >= gap1) {
      const numbered = side > 0 && z > 4 && !row.some(house => house.numbered);
      row.push({ z, lengthM, stories, wall, shop: shop && !numbered, numbered, chance });
    }
    z = corner ? gap1 : z + lengthM;
  }
  return row;
}

function drawHouse(
  view: View,
  house: House,
  x: number,
  side: 1 | -1,
  number: string | undefined,
  crossing: Crossing,
): void {
  const { z, lengthM, stories, wall, shop } = house;
  const shade = side > 0 ? 0.98 : 0.8;
  const far = Math.min(0.75, Math.max(0, (z - 14) / 90));
  const topM = 0.6 + stories * storeyM;
  const tone = (colour: Colour) => mix(colour, view.light.haze, far);
  const part: Part = (z0, z1, y0, y1) => [
    [x, y0, z0],
    [x, y1, z0],
    [x, y1, z1],
    [x, y0, z1],
  ];
  if (crossing !== undefined && z > crossing[1] && z < crossing[1] + 4) {
    const flank: Point[] = [
      [x, 0.1, z],
      [x, topM, z],
      [x + 16, topM, z],
      [x + 16, 0.1, z],
    ];
    fill(view, flank, css(tone(wall), 0.78));
  }
  fill(view, part(z, z + lengthM, 0.1, topM), css(tone(wall), shade));
  if (inPicture(view, x, topM - 0.5, house))
    fill(view, part(z, z + lengthM, topM - 0.45, topM), css(tone(wall), shade * 1.2));
  const columnM = lengthM / Math.max(2, Math.floor(lengthM / 2.1));
  if (z < 50) drawWindows(view, house, x, part, columnM, tone, shade);
  if (shop) drawShop(view, house.chance, part, z, lengthM, tone, x, side);
  else if (z < 30) drawDoor(view, house.chance, part, z, columnM, tone, x, house.numbered ? number : undefined);
}

function drawWindows(
  view: View,
  house: House,
  x: number,
  part: Part,
  columnM: number,
  tone: Tone,
  shade: number,
): void {
  const { z, lengthM, stories, wall, shop, chance } = house;
  const glass: Point[][] = [];
  const lit: Point[][] = [];
  const sills: Point[][] = [];
  for (let storey = shop ? 1 : 0; storey < stories; storey++) {
    const foot = 1.25 + storey * storeyM;
    if (!inPicture(view, x, foot, house)) break;
    for (let left = z + columnM * (storey === 0 ? 1.28 : 0.28); left < z + lengthM - 0.9; left += columnM) {
      (random(chance) < view.light.litWindows ? lit : glass).push(part(left, left + 0.95, foot, foot + 1.65));
      if (z > 26) continue;
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

/** Whether a height on a house is below the picture's upper edge somewhere; far parts of a wall are seen lower. */
function inPicture({ camera }: View, x: number, y: number, { z, lengthM }: House): boolean {
  return project(camera, [x, y, z + lengthM])[1] > 0;
}

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
  if (z < 36)
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
  if (z < 36) fill(view, lip, css(tone(awning), 0.85));
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
