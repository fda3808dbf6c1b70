import type { Reason } from '../classifier.ts';
import { seededRandom } from '../random.ts';
import { compose, drawSite } from './compose.ts';
import { drawDifficulty } from './difficulty.ts';
import { drawCaption, drawHour, drawOtherEnd } from './finish.ts';
import { drawPatrol } from './frame.ts';
import { drawJpeg, type Pen } from './pixels.ts';
import type { Remedy } from './remedy.ts';
import { plateCorners } from './vehicle.ts';
import { minus, plus, project, widthPx } from './view.ts';

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

const qualityFirst = 72;
/** At 960 pixels; few need a second encoding. */
const sceneMaxBytes = 60_000;

const heightOf = (wantedPx: number) => Math.round((wantedPx * 3) / 4);

/** JPEG of 20 to 60 kB at 960 x 720; the height is 3/4 of the width. Calls may overlap. */
export function drawScene(facts: SceneFacts, wantedPx: number): Promise<Buffer> {
  const maxBytes = sceneMaxBytes * Math.max(1, (wantedPx / widthPx) ** 2);
  return drawJpeg(
    wantedPx,
    heightOf(wantedPx),
    pen => paint(pen, facts, wantedPx),
    last => {
      if (last === undefined) return qualityFirst;
      return last.bytes > maxBytes && last.quality > 30 ? last.quality - 15 : undefined;
    },
  );
}

/**
 * A street as seen on patrol, without a violation: JPEG of at most `bytes` bytes and hardly ever less than four fifths of them;
 * 20 kB to 1 MiB. A comment of 1,000 characters still fits.
 */
export function drawFrame(seed: string, bytes: number): Promise<Buffer> {
  const wantedBytes = bytes - 1004;
  // The more bytes, the more pixels and grain; what is left to be met is met by the quality.
  const framePx = bytes > 200_000 ? 1280 : bytes < 40_000 ? 640 : 960;
  const grain = Math.min(0.5, 0.02 + bytes / 3_500_000);
  let [low, high] = [10, 101];
  return drawJpeg(
    framePx,
    heightOf(framePx),
    pen => {
      pen.scale(framePx / widthPx, framePx / widthPx);
      drawPatrol(pen, seed, grain);
    },
    last => {
      if (last === undefined) return 75;
      if (last.bytes > wantedBytes) high = last.quality;
      else if (last.bytes > wantedBytes * 0.9 || last.quality === low) return undefined;
      else low = last.quality;
      return Math.floor((low + high) / 2);
    },
  );
}

/** The pixels that the plate takes in a scene of that width: x, y, width, height of the box around it. */
export function platePlace(
  facts: SceneFacts,
  wantedPx: number,
): [xPx: number, yPx: number, wide: number, high: number] {
  const { site, camera } = compose(facts);
  const [topLeft, topRight, bottomLeft] = plateCorners(site.vehicle);
  const spots = [topLeft, topRight, bottomLeft, plus(topRight, minus(bottomLeft, topLeft))].map(corner =>
    project(camera, corner),
  );
  const xs = spots.map(([x]) => (x * wantedPx) / widthPx);
  const ys = spots.map(([, y]) => (y * wantedPx) / widthPx);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)];
}

/**
 * A copy with a comment segment (FF FE) behind SOI that holds `text`, ASCII of at most 65,533 characters: other bytes, hence
 * another SHA-256, same pixels.
 */
export function withComment(jpeg: Buffer, text: string): Buffer {
  if (text.length > 65_533) throw new TypeError('A comment segment holds at most 65,533 characters');
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
  if (composition.site.otherEnd) drawOtherEnd(view, composition.site.vehicle, seededRandom(6, facts.seed));
  drawCaption(view, facts.hour, facts.look);
}
