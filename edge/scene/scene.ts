import type { Reason } from '../classifier.ts';
import { compose, drawSite } from './compose.ts';
import { drawDifficulty } from './difficulty.ts';
import { drawCaption, drawHour } from './finish.ts';
import { drawJpeg, type Pen } from './pixels.ts';
import type { Remedy } from './remedy.ts';
import { widthPx } from './view.ts';

/** What there was to see. Colour and body type as New York writes them: SUBN, 4DSD, DELV ..., GY, WH, BK ... */
export interface SceneFacts {
  /** The code that a careful person gives; for the remedy `dismiss` the code that the drone suspected. */
  code: number;
  street: string;
  house?: string;
  plate: string;
  plateState: string;
  bodyType?: string;
  colour?: string;
  make?: string;
  /** Local hour, 0 to 23: daylight or street lamps, and whether a sign is in force. */
  hour: number;
  /** Why the drone could not qualify it; undefined: clear. */
  reason?: Reason;
  /** How an unqualified one ends; undefined where `reason` is. */
  remedy?: Remedy;
  /** 1: first picture; 2: taken again on request, from the other side and closer. */
  look: 1 | 2;
  /** Same facts, seed and size: the same bytes. */
  seed: string;
}

const qualityFirst = 68;
/** Of a picture of any size; few need a second encoding. */
const sceneMaxBytes = 60_000;

const heightOf = (wantedPx: number) => Math.round((wantedPx * 3) / 4);

/** JPEG of 20 to 60 kB at 960 x 720; the height is 3/4 of the width. Calls may overlap. */
export function drawScene(facts: SceneFacts, wantedPx: number): Promise<Buffer> {
  return drawJpeg(
    wantedPx,
    heightOf(wantedPx),
    pen => paint(pen, facts, wantedPx),
    last => {
      if (last === undefined) return qualityFirst;
      return last.bytes > sceneMaxBytes && last.quality > 30 ? last.quality - 15 : undefined;
    },
  );
}

/** A street as seen on patrol, without a violation: JPEG of `bytes` bytes, give or take a tenth; 20 kB to 1 MiB. */
export function drawFrame(seed: string, bytes: number): Promise<Buffer> {
  let [low, high] = [20, 100];
  const framePx = bytes > 200_000 ? 1280 : 960;
  return drawJpeg(
    framePx,
    heightOf(framePx),
    pen => paint(pen, { code: 0, street: '', plate: '', plateState: '', hour: 12, look: 1, seed }, framePx),
    last => {
      if (last === undefined) return 80;
      if (Math.abs(last.bytes - bytes) < bytes / 10 || high - low <= 1) return undefined;
      if (last.bytes > bytes) high = last.quality;
      else low = last.quality;
      return Math.round((low + high) / 2);
    },
  );
}

/**
 * A copy with a comment segment (FF FE) behind SOI that holds `text`, ASCII of at most 65,533 characters: other bytes, hence
 * another SHA-256, same pixels.
 */
export function withComment(jpeg: Buffer, text: string): Buffer {
  const comment = Buffer.alloc(4 + text.length);
  comment.writeUInt16BE(0xfffe);
  comment.writeUInt16BE(2 + text.length, 2);
  comment.write(text, 4, 'latin1');
  return Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]);
}

function paint(pen: Pen, facts: SceneFacts, wantedPx: number): void {
  pen.scale(wantedPx / widthPx, wantedPx / widthPx);
  const composition = compose(facts);
  const view = drawSite(pen, composition, facts);
  drawDifficulty(view, composition.site, composition.difficulty, facts.seed, facts.remedy);
  drawHour(view, composition.site.vehicle.at);
  drawCaption(view, facts.hour, facts.look);
}
