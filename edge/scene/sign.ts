import { fontFamily, type Pen } from './pixels.ts';
import { type Colour, css, facing, fill, onSheet, type Point, type View } from './view.ts';

/** What is written on a sign and how. */
export interface Sign {
  lines: readonly string[];
  style: 'red' | 'green' | 'blue' | 'notice' | 'school';
  symbol?: 'broom' | 'wheelchair' | 'bus';
  /** When it holds, as written; undefined: always. */
  hours?: string;
}

const inks: Record<Sign['style'], { ground: Colour; ink: Colour }> = {
  red: { ground: [246, 246, 244], ink: [190, 24, 30] },
  green: { ground: [246, 246, 244], ink: [14, 104, 62] },
  blue: { ground: [24, 66, 150], ink: [248, 248, 246] },
  notice: { ground: [248, 246, 236], ink: [26, 26, 28] },
  school: { ground: [206, 226, 40], ink: [20, 20, 20] },
};

const signM = [0.92, 1.26] as const;
const signSheet = [320, 440] as const;
const poleM = 0.05;
const gapM = 0.05;

/** Width and height of so many signs on a post. */
export function signsM(count: number): readonly [wideM: number, highM: number] {
  return [signM[0], count * (signM[1] + gapM)];
}

/** Height of the lower edge of the lowest of them; two and more begin lower, to stay in the picture. */
export function signsFootM(count: number): number {
  return Math.max(1.05, 3.05 - signsM(count)[1]);
}

/** Writes `text` in the middle of `x`, as large as `maxPx` and the width allow, long ones condensed; returns the height used. */
export function write(pen: Pen, text: string, x: number, y: number, widePx: number, maxPx: number): number {
  const px = Math.min(maxPx, (widePx / Math.max(1, text.length)) * 2.2);
  pen.font = `${px}px "${fontFamily}"`;
  pen.textAlign = 'center';
  pen.fillText(text, x, y + px * 0.74, widePx);
  return px;
}

/** A post at the kerb with signs one below the other, under the street's name if that is given. */
export function drawPost(view: View, [x, y, z]: Point, signs: readonly Sign[], street: string | undefined): void {
  const [wideM, highM] = signM;
  const topM = signsFootM(signs.length) + signsM(signs.length)[1];
  fill(view, upright([x, y, z], poleM, topM + (street === undefined ? 0 : 0.4) - y), css([110, 114, 118]));
  if (street !== undefined) drawStreetName(view, [x, topM + 0.06, z], street);
  signs.forEach((sign, index) => {
    const foot = topM - (index + 1) * (highM + gapM);
    onSheet(view, facing([x, foot, z - 0.04], wideM, highM), signSheet, pen => drawSign(pen, sign));
  });
}

function upright([x, y, z]: Point, halfM: number, highM: number): Point[] {
  return [
    [x - halfM, y, z],
    [x + halfM, y, z],
    [x + halfM, y + highM, z],
    [x - halfM, y + highM, z],
  ];
}

function drawStreetName(view: View, foot: Point, street: string): void {
  onSheet(view, facing(foot, 1.5, 0.34), [600, 136], pen => {
    pen.fillStyle = css([8, 92, 60]);
    pen.fillRect(0, 0, 600, 136);
    pen.strokeStyle = css([240, 244, 240]);
    pen.lineWidth = 8;
    pen.strokeRect(8, 8, 584, 120);
    pen.fillStyle = css([250, 252, 250]);
    const text = street.toUpperCase();
    pen.save();
    pen.translate(300, 102);
    pen.scale(1, 1.15);
    pen.font = `86px "${fontFamily}"`;
    pen.textAlign = 'center';
    pen.fillText(text, 0, 0, 560);
    pen.restore();
  });
}

function drawSign(pen: Pen, { lines, style, symbol, hours }: Sign): void {
  const { ground, ink } = inks[style];
  pen.fillStyle = css([60, 62, 66]);
  pen.fillRect(-5, -5, 330, 450);
  pen.fillStyle = css(ground);
  pen.fillRect(0, 0, 320, 440);
  pen.strokeStyle = css(ink);
  pen.lineWidth = 9;
  pen.strokeRect(12, 12, 296, 416);
  pen.fillStyle = css(ink);
  let y = 34;
  if (symbol !== undefined) {
    drawSymbol(pen, symbol, ink);
    y = 178;
  }
  const left = 400 - y - (hours === undefined ? 40 : 96);
  const maxPx = Math.min(92, (left / lines.length) * 0.98);
  for (const text of lines) y += write(pen, text, 160, y, 276, maxPx) + 4;
  if (hours === undefined) drawArrow(pen, 396);
  else {
    pen.fillRect(24, 318, 272, 4);
    write(pen, hours, 160, 334, 276, 62);
    drawArrow(pen, 408);
  }
}

/** Both ways: the sign speaks for the kerb on both sides of it. */
function drawArrow(pen: Pen, y: number): void {
  pen.fillRect(90, y - 4, 140, 8);
  pen.beginPath();
  for (const [tip, back] of [
    [64, 96],
    [256, 224],
  ] as const) {
    pen.moveTo(tip, y);
    pen.lineTo(back, y - 14);
    pen.lineTo(back, y + 14);
    pen.closePath();
  }
  pen.fill();
}

function drawSymbol(pen: Pen, symbol: NonNullable<Sign['symbol']>, ink: Colour): void {
  pen.lineWidth = 12;
  pen.strokeStyle = css(ink);
  if (symbol === 'broom') {
    pen.fillStyle = css([26, 26, 28]);
    write(pen, 'P', 134, 42, 120, 130);
    pen.fillRect(176, 44, 9, 84);
    pen.beginPath();
    pen.moveTo(164, 126);
    pen.lineTo(198, 126);
    pen.lineTo(212, 156);
    pen.lineTo(150, 156);
    pen.fill();
    pen.beginPath();
    pen.arc(160, 100, 72, 0, 7);
    pen.moveTo(110, 50);
    pen.lineTo(210, 150);
    pen.stroke();
    pen.fillStyle = css(ink);
    return;
  }
  if (symbol === 'bus') {
    pen.fillRect(96, 44, 128, 96);
    pen.fillStyle = css([200, 214, 236]);
    pen.fillRect(108, 58, 104, 40);
    pen.fillStyle = css(ink);
    pen.beginPath();
    pen.arc(122, 146, 14, 0, 7);
    pen.arc(198, 146, 14, 0, 7);
    pen.fill();
    return;
  }
  pen.beginPath();
  pen.arc(150, 50, 15, 0, 7);
  pen.fill();
  pen.beginPath();
  pen.moveTo(150, 66);
  pen.lineTo(154, 106);
  pen.lineTo(190, 106);
  pen.lineTo(206, 146);
  pen.moveTo(152, 84);
  pen.lineTo(184, 84);
  pen.moveTo(138, 92);
  pen.arc(156, 126, 36, 4, 0.6, true);
  pen.stroke();
}

/** "7 AM", "12 NOON", "MIDNIGHT" of an hour of any size. */
export function hourName(hour: number): string {
  const clock = ((hour % 24) + 24) % 24;
  if (clock === 0) return 'MIDNIGHT';
  if (clock === 12) return 'NOON';
  return clock < 12 ? `${clock}AM` : `${clock - 12}PM`;
}
