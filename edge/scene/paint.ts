import type { Colour } from './view.ts';

/** Colours as written, by their first letters; the first that fits counts. */
const colours: readonly (readonly [prefix: string, colour: Colour])[] = [
  ['BK', [44, 46, 50]],
  ['BLAC', [44, 46, 50]],
  ['BLK', [44, 46, 50]],
  ['BL', [48, 82, 140]],
  ['BR', [108, 76, 54]],
  ['WH', [232, 232, 228]],
  ['WT', [232, 232, 228]],
  ['GY', [128, 132, 138]],
  ['GRAY', [128, 132, 138]],
  ['GREY', [128, 132, 138]],
  ['GRY', [128, 132, 138]],
  ['GOLD', [186, 158, 100]],
  ['GL', [186, 158, 100]],
  ['GR', [58, 104, 74]],
  ['GN', [58, 104, 74]],
  ['RD', [168, 40, 38]],
  ['RED', [168, 40, 38]],
  ['SI', [180, 184, 188]],
  ['SL', [180, 184, 188]],
  ['TN', [190, 170, 136]],
  ['TAN', [190, 170, 136]],
  ['BEI', [190, 170, 136]],
  ['YW', [240, 190, 46]],
  ['YE', [240, 190, 46]],
  ['OR', [220, 110, 40]],
  ['MR', [104, 32, 44]],
  ['MA', [104, 32, 44]],
  ['PU', [92, 62, 120]],
];

/** Paint of a colour as written; what is not known is grey. */
export function paintOf(colour: string | undefined): Colour {
  const text = (colour ?? '').toUpperCase();
  return colours.find(([prefix]) => text.startsWith(prefix))?.[1] ?? [140, 140, 142];
}
