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

/**
 * Lets `draw` draw a picture and encodes it at each quality that `qualities` asks for, until it asks for no more. The library
 * is loaded at the first picture (40 ms). One canvas is kept, of the size last used; `draw` must therefore cover all of it.
 * Encoding runs in the thread pool on a snapshot, so pictures may be asked for side by side.
 */
export async function drawJpeg(
  widthPx: number,
  heightPx: number,
  draw: (pen: Pen) => void,
  quality: (last: { quality: number; bytes: number } | undefined) => number | undefined,
): Promise<Buffer> {
  library ??= loadLibrary();
  const { createCanvas } = await library;
  if (kept?.width !== widthPx || kept.height !== heightPx) kept = createCanvas(widthPx, heightPx);
  const canvas = kept;
  const pen = canvas.getContext('2d');
  pen.reset();
  draw(pen);
  let asked = quality(undefined) ?? 80;
  const encoding = canvas.encode('jpeg', asked);
  let jpeg = await encoding;
  for (;;) {
    const next = quality({ quality: asked, bytes: jpeg.length });
    if (next === undefined) return jpeg;
    asked = next;
    pen.reset();
    draw(pen);
    jpeg = await canvas.encode('jpeg', asked);
  }
}
