import { type Random, random, randomBetween } from '../random.ts';
import { fontFamily, type Pen } from './pixels.ts';
import { type Colour, css } from './view.ts';

/** What lies between a plate and the one who reads it. `dirty` is legible at twice the size, the others are not. */
export type PlateCover = 'none' | 'dirty' | 'snow' | 'rack' | 'blurred' | 'missing' | 'tarpaulin';

/** Size of the sheet that a plate is drawn on; in the street it is larger than in life, to be read at 960 pixels. */
export const plateSheet = [300, 150] as const;
export const plateM = [0.52, 0.26] as const;

interface Design {
  name: string;
  ground: Colour;
  ink: Colour;
  /** Colour of the strip behind the state's name. */
  band?: Colour;
}

const white: Colour = [240, 240, 238];
const navy: Colour = [24, 38, 92];
const designs: Record<string, Design> = {
  NY: { name: 'NEW YORK', ground: [236, 172, 52], ink: navy, band: navy },
  NJ: { name: 'NEW JERSEY', ground: [244, 226, 150], ink: [28, 28, 30] },
  PA: { name: 'PENNSYLVANIA', ground: white, ink: navy, band: [28, 62, 132] },
  CT: { name: 'CONNECTICUT', ground: [176, 208, 232], ink: navy },
  FL: { name: 'FLORIDA', ground: white, ink: [26, 104, 62] },
  MA: { name: 'MASSACHUSETTS', ground: white, ink: [176, 34, 38] },
  VA: { name: 'VIRGINIA', ground: white, ink: [28, 44, 110] },
  MD: { name: 'MARYLAND', ground: white, ink: [30, 30, 32], band: [170, 40, 40] },
  NC: { name: 'NORTH CAROLINA', ground: white, ink: [24, 60, 128] },
  TX: { name: 'TEXAS', ground: white, ink: [28, 30, 36] },
  CA: { name: 'CALIFORNIA', ground: white, ink: [24, 44, 110] },
  GA: { name: 'GEORGIA', ground: white, ink: [36, 50, 90] },
  IL: { name: 'ILLINOIS', ground: [226, 234, 244], ink: [170, 36, 40] },
  ME: { name: 'MAINE', ground: white, ink: [30, 66, 54] },
  VT: { name: 'VERMONT', ground: [34, 96, 62], ink: white },
  NH: { name: 'NEW HAMPSHIRE', ground: white, ink: [34, 92, 60] },
  DE: { name: 'DELAWARE', ground: [28, 52, 110], ink: [232, 190, 84] },
  AZ: { name: 'ARIZONA', ground: [196, 150, 176], ink: [40, 60, 60] },
  SC: { name: 'SOUTH CAROLINA', ground: white, ink: [26, 44, 92] },
  GV: { name: 'US GOVERNMENT', ground: white, ink: [28, 44, 110] },
  DP: { name: 'DIPLOMAT', ground: [220, 230, 244], ink: [170, 34, 40] },
};
const names: Record<string, string> = {
  OH: 'OHIO',
  RI: 'RHODE ISLAND',
  MI: 'MICHIGAN',
  TN: 'TENNESSEE',
  IN: 'INDIANA',
  OK: 'OKLAHOMA',
  MN: 'MINNESOTA',
  AL: 'ALABAMA',
  WA: 'WASHINGTON',
  WI: 'WISCONSIN',
  OR: 'OREGON',
  MO: 'MISSOURI',
  CO: 'COLORADO',
  LA: 'LOUISIANA',
  KY: 'KENTUCKY',
  DC: 'WASHINGTON DC',
  WV: 'WEST VIRGINIA',
  AR: 'ARKANSAS',
  IA: 'IOWA',
  KS: 'KANSAS',
  NE: 'NEBRASKA',
  NV: 'NEVADA',
  UT: 'UTAH',
  NM: 'NEW MEXICO',
  ID: 'IDAHO',
  MT: 'MONTANA',
  ND: 'NORTH DAKOTA',
  SD: 'SOUTH DAKOTA',
  MS: 'MISSISSIPPI',
  WY: 'WYOMING',
  HI: 'HAWAII',
  AK: 'ALASKA',
  PR: 'PUERTO RICO',
  ON: 'ONTARIO',
  QB: 'QUEBEC',
};

/** Draws a plate of `plateSheet`. Nothing is written on one without a number (BLANKPLATE, '' or none). */
export function drawPlate(pen: Pen, number: string, state: string, cover: PlateCover, chance: Random): void {
  if (cover === 'tarpaulin') return;
  const [wide, high] = plateSheet;
  const { name, ground, ink, band }: Design = designs[state] ?? { name: names[state] ?? '', ground: white, ink: navy };
  pen.fillStyle = css([30, 30, 32], 1, 0.8);
  pen.fillRect(-8, -8, wide + 16, high + 16);
  if (cover === 'missing') return;
  const faded = cover === 'dirty' ? 0.72 : 1;
  pen.fillStyle = css(ground);
  pen.fillRect(0, 0, wide, high);
  if (band !== undefined) {
    pen.fillStyle = css(band);
    pen.fillRect(0, 0, wide, 34);
  }
  pen.textAlign = 'center';
  pen.fillStyle = css(band === undefined ? ink : white);
  pen.font = `28px "${fontFamily}"`;
  pen.fillText(name, wide / 2, 27, 280);
  if (cover === 'dirty') drawDirt(pen, chance);
  const text = number === 'BLANKPLATE' ? '' : number.slice(0, 9);
  pen.fillStyle = css(ink, 1, faded);
  if (cover === 'blurred') drawSmeared(pen, text);
  else drawNumber(pen, text, wide / 2);
  if (cover === 'dirty') drawDirt(pen, chance, 0.26);
  if (cover === 'snow') drawSnow(pen, chance);
  if (cover === 'rack') drawRack(pen);
}

function drawNumber(pen: Pen, text: string, x: number): void {
  pen.save();
  pen.translate(x, 132);
  pen.scale(1, 1.28);
  pen.font = `86px "${fontFamily}"`;
  pen.fillText(text, 0, 0, 284);
  pen.restore();
}

/** The vehicle or the drone moved: the number is drawn out beyond reading. */
function drawSmeared(pen: Pen, text: string): void {
  pen.globalAlpha = 0.07;
  for (let step = 0; step < 14; step++) drawNumber(pen, text, 150 + (step - 6.5) * 9);
  pen.globalAlpha = 1;
}

function drawDirt(pen: Pen, chance: Random, alpha = 0.5): void {
  pen.fillStyle = css([112, 92, 66], 1, alpha * 0.8);
  pen.fillRect(0, 0, 300, 150);
  for (let spot = 0; spot < 26; spot++) {
    pen.fillStyle = css([84, 66, 46], randomBetween(chance, 0.7, 1.3), alpha);
    pen.beginPath();
    pen.ellipse(
      random(chance) * 300,
      150 - random(chance) ** 1.4 * 150,
      randomBetween(chance, 4, 26),
      randomBetween(chance, 3, 12),
      0,
      0,
      7,
    );
    pen.fill();
  }
}

function drawSnow(pen: Pen, chance: Random): void {
  pen.fillStyle = css([240, 244, 250]);
  pen.beginPath();
  for (let lump = 0; lump < 18; lump++) {
    const x = (lump % 9) * 36 + randomBetween(chance, -8, 8);
    const y = lump < 9 ? 118 : 62;
    pen.moveTo(x, y);
    pen.ellipse(x, y, 34, randomBetween(chance, 34, 46), 0, 0, 7);
  }
  pen.fill();
  pen.fillStyle = css([206, 216, 232]);
  pen.fillRect(-20, 138, 340, 22);
}

/** A carrier with a box hung before the plate. */
function drawRack(pen: Pen): void {
  pen.fillStyle = css([34, 36, 40]);
  pen.fillRect(-70, 24, 440, 150);
  pen.fillStyle = css([58, 60, 66]);
  pen.fillRect(-70, 24, 440, 22);
  pen.fillStyle = css([196, 52, 44]);
  pen.fillRect(-54, 120, 50, 26);
  pen.fillRect(304, 120, 50, 26);
  pen.fillStyle = css([22, 22, 24]);
  pen.fillRect(132, 60, 36, 110);
}
