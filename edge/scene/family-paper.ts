import { type Random, randomBetween } from '../random.ts';
import { drawMeter } from './furniture.ts';
import type { Pen } from './pixels.ts';
import { hourName, write } from './sign.ts';
import { post, type Site, showFront } from './site.ts';
import { kerbM } from './street.ts';
import { placed } from './vehicle.ts';
import { shapeOf } from './vehicle-shape.ts';
import { type Colour, css, onSheet, type Point } from './view.ts';

/** A paper or sticker behind the windshield; larger than in life, to be read at 960 pixels. */
interface Paper {
  lines: readonly string[];
  ground: Colour;
  ink: Colour;
  torn?: boolean;
  /** Which part of the glass: -1 to 1 across. */
  across: number;
}

const expired = '2019';
const valid = '2031';

const paperSheet = [240, 190] as const;

function drawPaper(pen: Pen, { lines, ground, ink, torn }: Paper, chance: Random): void {
  pen.fillStyle = css(ground);
  pen.fillRect(0, 0, 240, 190);
  pen.fillStyle = css(ink);
  let y = 16;
  for (const text of lines) y += write(pen, text, 120, y, 222, 158 / lines.length) + 4;
  if (torn !== true) return;
  pen.fillStyle = css([40, 50, 60]);
  pen.beginPath();
  pen.moveTo(250, -10);
  for (let step = 0; step <= 8; step++) {
    pen.lineTo(150 - step * 12 + randomBetween(chance, -24, 24), (step * 200) / 8 - 6);
  }
  pen.lineTo(250, 200);
  pen.fill();
}

/** Adds papers to the windshield; they decide. Bodies without one carry them on their front. */
function glue(site: Site, papers: readonly Paper[]): void {
  showFront(site);
  const { vehicle, chance } = site;
  const { cabin, lengthM, box } = shapeOf(vehicle.bodyType);
  const low: Point =
    cabin === undefined
      ? [0, box === undefined ? 0.75 : 1.3, box === undefined ? 0.2 : -0.05]
      : [0, cabin[3]![1], lengthM - cabin[3]![0]];
  const high: Point = cabin === undefined ? [0, low[1] + 0.7, low[2]] : [0, cabin[2]![1], lengthM - cabin[2]![0]];
  const half = cabin === undefined ? (box === undefined ? 0.52 : 0.7) : (cabin[3]![2] + cabin[2]![2]) / 2 - 0.14;
  const at = (x: number, share: number) =>
    placed(vehicle, [x, low[1] + (high[1] - low[1]) * share + 0.02, low[2] + (high[2] - low[2]) * share - 0.02]);
  for (const paper of papers) {
    const x = paper.across * (half - 0.25);
    site.things.push({
      z: vehicle.at[2] - 0.01,
      draw: view =>
        onSheet(view, [at(x - 0.27, 0.62), at(x + 0.27, 0.62), at(x - 0.27, 0.08)], paperSheet, pen =>
          drawPaper(pen, paper, chance),
        ),
    });
  }
  const middle = at(0, 0.1);
  site.evidence = { at: middle, wideM: 1.5, highM: 0.5, kind: 'glass' };
}

const registration = (year: string, torn = false): Paper => ({
  lines: ['REGISTRATION', `EXP ${year}`],
  ground: [70, 128, 190],
  ink: [250, 250, 250],
  across: -1,
  torn,
});
const inspection = (year: string, torn = false): Paper => ({
  lines: ['INSPECTION', `EXP ${year}`],
  ground: [236, 206, 74],
  ink: [30, 30, 30],
  across: 1,
  torn,
});

export function registrationExpired(site: Site): void {
  glue(site, [registration(site.guilty ? expired : valid), inspection(valid)]);
}

export function inspectionExpired(site: Site): void {
  glue(site, [registration(valid), inspection(site.guilty ? expired : valid)]);
}

export function inspectionTorn(site: Site): void {
  glue(site, [registration(valid), inspection(valid, site.guilty)]);
}

export function registrationTorn(site: Site): void {
  glue(site, [registration(valid, site.guilty), inspection(valid)]);
}

/** The sticker names another plate, or class, than the plate itself. */
export function registrationOther(site: Site): void {
  const { plate } = site.vehicle;
  const other = site.guilty ? [...plate].reverse().join('') : plate;
  glue(site, [
    {
      ...registration(valid),
      lines: ['REGISTRATION', other === plate && site.guilty ? `${plate.slice(1)}0` : other || 'NONE'],
    },
    inspection(valid),
  ]);
}

export function registrationImproper(site: Site): void {
  glue(site, [
    { ...registration(valid), lines: site.guilty ? ['REGISTRATION', 'FARM USE ONLY'] : ['REGISTRATION', 'PASSENGER'] },
    inspection(valid),
  ]);
}

/** The number under the windshield is covered by papers. */
export function vinObscured(site: Site): void {
  const cover: Paper = { lines: ['NEWS', 'PAPER'], ground: [226, 222, 208], ink: [90, 90, 90], across: 0 };
  const number: Paper = { lines: ['VIN', '1HGCM8263'], ground: [30, 30, 34], ink: [230, 230, 230], across: 0 };
  glue(site, [{ ...number, across: 0.55 }, ...(site.guilty ? [{ ...cover, across: 0.6 }] : [])]);
}

/** A permit that is displayed though it should not be, is missing, or says something else. */
export function permit(site: Site, shown: readonly string[] | undefined, right: readonly string[]): void {
  const lines = site.guilty ? shown : right;
  glue(site, [
    registration(valid),
    inspection(valid),
    ...(lines === undefined ? [] : [{ lines, ground: [246, 246, 240], ink: [150, 30, 40], across: 0 } as const]),
  ]);
}

const meterSign = (text: string) => ({ style: 'green', lines: ['2 HOUR', text, 'PARKING'] }) as const;

/** A pay station that gives receipts for the dashboard: none there, or one that ran out. */
export function receipt(site: Site, ran: 'out' | 'none', commercial: boolean): void {
  const until = site.guilty ? site.hour - 1 : site.hour + 1;
  const paper: Paper = {
    lines: ['PAID UNTIL', hourName(until)],
    ground: [250, 250, 246],
    ink: [20, 20, 24],
    across: 0.5,
  };
  glue(site, site.guilty && ran === 'none' ? [] : [paper]);
  const { evidence } = site;
  site.signs.push(meterSign(commercial ? 'COMMERCIAL' : 'METERED'));
  const at: Point = [0.75, kerbM, site.postZ - 1.6];
  site.things.push({ z: at[2], draw: view => drawMeter(view, at, false, 'PAY HERE', false) });
  site.evidence = evidence;
}

/** A meter on its post that ran out, is broken, or has time left. */
export function postMeter(site: Site, shows: string, text: string): void {
  const at: Point = [0.55, kerbM, site.vehicle.at[2] + 0.5];
  site.things.push({ z: at[2], draw: view => drawMeter(view, at, true, site.guilty ? shows : '0:45', site.guilty) });
  site.signs.push(meterSign(text));
  site.evidence = { at: [0.55, 1.2, at[2]], wideM: 0.5, highM: 0.6, kind: 'low' };
}

export function plateMissing(site: Site): void {
  if (!site.guilty) return;
  site.vehicle.plateCover = 'missing';
  site.otherEnd = true;
}

export function equipmentMissing(site: Site): void {
  site.vehicle.tailLightMissing = site.guilty;
}

/** A rule about the vehicle that only a text can tell. */
export function notice(site: Site, lines: readonly string[], timed: boolean): void {
  post(site, { style: 'notice', lines }, timed);
}
