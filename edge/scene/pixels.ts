import { readFileSync } from 'node:fs';
import type { Canvas, Path2D, SKRSContext2D } from '@napi-rs/canvas';
import { type Random, random } from '../random.ts';

/** What everything is drawn with. Operations are recorded and become pixels when they are encoded or read. */
export type Pen = SKRSContext2D;

/** Family of the committed font, Overpass Bold, made after the letters of US road signs. No other font is used. */
export const fontFamily = 'Scene Overpass';

let library: Promise<typeof import('@napi-rs/canvas')> | undefined;
let paths: typeof Path2D | undefined;
let kept: Canvas | undefined;
let lastMade: Promise<unknown> = Promise.resolve();

async function loadLibrary(): Promise<typeof import('@napi-rs/canvas')> {
  const loaded = await import('@napi-rs/canvas');
  const font = readFileSync(new URL('./assets/overpass-700.woff2', import.meta.url));
  if (loaded.GlobalFonts.register(font, fontFamily) === null) throw new TypeError('The committed font cannot be read');
  paths = loaded.Path2D;
  return loaded;
}

/** A path from its text as in SVG; only while a picture is being drawn. */
export function pathOf(text: string): Path2D {
  return new paths!(text);
}

/** Side of the tile of noise that a picture is covered with. */
const noisePx = 128;

/** Covers the picture with the grain of a sensor; `strength` from 0 to 1. */
export function drawGrain(pen: Pen, chance: Random, strength: number): void {
  const { width, height } = pen.canvas;
  const tile = pen.createImageData(noisePx, noisePx);
  const words = new Uint32Array(tile.data.buffer);
  for (let index = 0; index < words.length; index++) words[index] = (random(chance) * 2 ** 32) | 0xff000000;
  pen.save();
  pen.resetTransform();
  pen.globalAlpha = strength;
  pen.fillStyle = pen.createPattern(tile, 'repeat')!;
  pen.fillRect(0, 0, width, height);
  pen.restore();
}

/** How a picture is encoded: the quality asked for, given what the one before gave; undefined takes that one. */
export type Quality = (last: { quality: number; bytes: number } | undefined) => number | undefined;

/**
 * Lets `draw` draw a picture, all of it, and encodes that in the thread pool at each quality that `quality` asks for. The library is
 * loaded at the first picture (40 ms). Pictures asked for side by side are made one after the other: one canvas, of the size last
 * used, and one encoding are all the memory they take.
 */
export function drawJpeg(wide: number, high: number, draw: (pen: Pen) => void, quality: Quality): Promise<Buffer> {
  const made = lastMade.then(() => makeJpeg(wide, high, draw, quality));
  lastMade = made.catch(() => {});
  return made;
}

async function makeJpeg(wide: number, high: number, draw: (pen: Pen) => void, quality: Quality): Promise<Buffer> {
  library ??= loadLibrary();
  const { createCanvas } = await library;
  if (kept?.width !== wide || kept.height !== high) kept = createCanvas(wide, high);
  const pen = kept.getContext('2d');
  pen.reset();
  draw(pen);
  let jpeg: Buffer | undefined;
  let asked = quality(undefined);
  while (asked !== undefined) {
    jpeg = await kept.encode('jpeg', asked);
    asked = quality({ quality: asked, bytes: jpeg.length });
  }
  if (jpeg === undefined) throw new TypeError('No quality was asked for');
  return jpeg;
}
