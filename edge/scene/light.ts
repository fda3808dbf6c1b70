import type { Colour, Point } from './view.ts';

/** What the hour does to the picture. */
export interface Light {
  skyTop: Colour;
  skyLow: Colour;
  /** What far things fade into. */
  haze: Colour;
  /** Direction to the sun or the brightest part of the sky, of length 1. */
  sun: Point;
  /** Share of light that comes from there. */
  direct: number;
  /** Everything is multiplied by this in the end; undefined: full daylight. */
  tint: { near: Colour; far: Colour } | undefined;
  /** Whether street lamps burn. */
  lamps: boolean;
  litWindows: number;
}

const day: Light = {
  skyTop: [126, 172, 222],
  skyLow: [214, 228, 238],
  haze: [196, 208, 220],
  sun: [-0.5, 0.75, -0.43],
  direct: 0.55,
  tint: undefined,
  lamps: false,
  litWindows: 0,
};

const lowSun: Light = {
  ...day,
  skyTop: [150, 176, 212],
  skyLow: [252, 222, 178],
  haze: [234, 212, 184],
  sun: [-0.78, 0.42, -0.46],
  direct: 0.68,
  tint: { near: [255, 240, 216], far: [250, 216, 176] },
};

const dusk: Light = {
  ...day,
  skyTop: [84, 104, 150],
  skyLow: [226, 170, 140],
  haze: [176, 160, 162],
  direct: 0.3,
  tint: { near: [228, 214, 206], far: [150, 146, 176] },
  lamps: true,
  litWindows: 0.3,
};

const night: Light = {
  ...day,
  skyTop: [34, 42, 66],
  skyLow: [84, 84, 104],
  haze: [88, 92, 112],
  direct: 0.3,
  tint: { near: [255, 226, 176], far: [66, 72, 108] },
  lamps: true,
  litWindows: 0.35,
};

/** Light of a local hour of the day, 0 to 23, as at the equinox. */
export function lightAt(hour: number): Light {
  if (hour >= 8 && hour < 17) return day;
  if (hour === 7 || hour === 17) return lowSun;
  if (hour === 6 || hour === 18 || hour === 19) return dusk;
  return night;
}

/** How bright a face is that looks along `normal`: 1 for one that faces the sun. */
export function shadeOf({ sun, direct }: Light, [x, y, z]: Point): number {
  const towards = Math.max(0, x * sun[0] + y * sun[1] + z * sun[2]);
  return 1 - direct + direct * towards + 0.12 * Math.max(0, y);
}
