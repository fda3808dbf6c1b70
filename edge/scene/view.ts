import type { Light } from './light.ts';
import { type Pen, pathOf } from './pixels.ts';

/** Metres: x from the kerb's face to the right (the road is negative), y up from the road, z along the street, away. */
export type Point = readonly [x: number, y: number, z: number];
export type Colour = readonly [red: number, green: number, blue: number];
/** Pixels of the picture, of which all are drawn as if it were 960 wide. */
export type Spot = readonly [xPx: number, yPx: number];

export interface Camera {
  at: Point;
  /** Sine and cosine of the angle to the right, and of that down. */
  yaw: readonly [sin: number, cos: number];
  pitch: readonly [sin: number, cos: number];
  focalPx: number;
  /** Whether the picture is turned over, so that the kerb is on the left; texts stay readable. */
  mirrored: boolean;
}

/** Where things are drawn and how they are seen. */
export interface View {
  readonly pen: Pen;
  readonly camera: Camera;
  readonly light: Light;
}

export const widthPx = 960;
export const heightPx = 720;
const nearM = 0.5;

/** A camera at `at` that has `target` at the spot (xPx, yPx) of its picture. */
export function aim(at: Point, target: Point, [xPx, yPx]: Spot, focalPx: number, mirrored: boolean): Camera {
  const [dx, dy, dz] = minus(target, at);
  const right = (mirrored ? -1 : 1) * (xPx - widthPx / 2);
  const yaw = Math.atan2(dx, dz) - Math.atan(right / focalPx);
  const pitch = Math.atan2(-dy, Math.hypot(dx, dz)) - Math.atan((yPx - heightPx / 2) / focalPx);
  const turned = (angle: number) => [Math.sin(angle), Math.cos(angle)] as const;
  return { at, yaw: turned(yaw), pitch: turned(pitch), focalPx, mirrored };
}

/** x to the right, y up, z into the picture, as the camera is held. */
function toCamera({ at, yaw, pitch }: Camera, [x, y, z]: Point): Point {
  const [dx, dy, dz] = [x - at[0], y - at[1], z - at[2]];
  const ahead = dx * yaw[0] + dz * yaw[1];
  return [dx * yaw[1] - dz * yaw[0], dy * pitch[1] + ahead * pitch[0], ahead * pitch[1] - dy * pitch[0]];
}

function toPixels({ focalPx, mirrored }: Camera, [x, y, z]: Point): Spot {
  const scale = focalPx / Math.max(z, nearM);
  return [widthPx / 2 + (mirrored ? -x : x) * scale, heightPx / 2 - y * scale];
}

export function project(camera: Camera, point: Point): Spot {
  return toPixels(camera, toCamera(camera, point));
}

/** Pixels that a metre takes at `point`, across the line of sight. */
export function scaleAt(camera: Camera, point: Point): number {
  return camera.focalPx / Math.max(nearM, toCamera(camera, point)[2]);
}

/** A flat shape as the text of a path, without what lies behind the camera; '' if it is beside the picture. */
function outline({ camera }: View, points: readonly Point[]): string {
  let text = '';
  let [left, right, above, below] = [true, true, true, true];
  const add = ([xPx, yPx]: Spot) => {
    left &&= xPx < 0;
    right &&= xPx > widthPx;
    above &&= yPx < 0;
    below &&= yPx > heightPx;
    text += `${text === '' ? 'M' : 'L'}${xPx.toFixed(1)} ${yPx.toFixed(1)}`;
  };
  let last = toCamera(camera, points.at(-1)!);
  for (const point of points) {
    const here = toCamera(camera, point);
    if (here[2] > nearM !== last[2] > nearM) {
      add(toPixels(camera, between(last, here, (nearM - last[2]) / (here[2] - last[2]))));
    }
    if (here[2] > nearM) add(toPixels(camera, here));
    last = here;
  }
  return text === '' || left || right || above || below ? '' : `${text}Z`;
}

export function fill(view: View, points: readonly Point[], style: string): void {
  fillAll(view, [points], style);
}

/** Shapes of one colour as one path, and that as one text: a quarter of the time of a call for each corner. */
export function fillAll(view: View, shapes: readonly (readonly Point[])[], style: string): void {
  let text = '';
  for (const points of shapes) text += outline(view, points);
  if (text === '') return;
  view.pen.fillStyle = style;
  view.pen.fill(pathOf(text));
}

/** Confines what is drawn until `restore` to a flat shape. */
export function clipTo(view: View, points: readonly Point[]): void {
  view.pen.clip(pathOf(outline(view, points) || 'M0 0Z'));
}

export function line(view: View, from: Point, to: Point, thickM: number, style: string): void {
  const { pen, camera } = view;
  pen.beginPath();
  pen.moveTo(...project(camera, from));
  pen.lineTo(...project(camera, to));
  pen.lineWidth = Math.max(0.7, thickM * scaleAt(camera, from));
  pen.strokeStyle = style;
  pen.stroke();
}

/**
 * Lets `draw` draw on a flat rectangle `wide` x `high` units whose corners are given, as if it were a sheet of paper: top left,
 * top right, bottom left. Whichever side is left in the picture is the sheet's left. Without foreshortening within the sheet.
 */
export function onSheet(
  view: View,
  [topLeft, topRight, bottomLeft]: readonly [Point, Point, Point],
  [wide, high]: readonly [number, number],
  draw: (pen: Pen) => void,
): void {
  const { pen, camera } = view;
  let [left, right, below] = [topLeft, topRight, bottomLeft].map(point => project(camera, point)) as [Spot, Spot, Spot];
  if (left[0] > right[0]) {
    const bottomRight = project(camera, plus(topRight, minus(bottomLeft, topLeft)));
    [left, right, below] = [right, left, bottomRight];
  }
  pen.save();
  pen.transform(
    (right[0] - left[0]) / wide,
    (right[1] - left[1]) / wide,
    (below[0] - left[0]) / high,
    (below[1] - left[1]) / high,
    left[0],
    left[1],
  );
  draw(pen);
  pen.restore();
}

/** An upright rectangle that faces down the street: its lower middle, width and height. */
export function facing(foot: Point, wideM: number, highM: number): [Point, Point, Point] {
  const [x, y, z] = foot;
  return [
    [x - wideM / 2, y + highM, z],
    [x + wideM / 2, y + highM, z],
    [x - wideM / 2, y, z],
  ];
}

/** Colour times `shade`, as the canvas wants it. */
export function css([red, green, blue]: Colour, shade = 1, alpha = 1): string {
  const byte = (value: number) => Math.max(0, Math.min(255, Math.round(value * shade)));
  return `rgba(${byte(red)},${byte(green)},${byte(blue)},${alpha})`;
}

export function mix(a: Colour, b: Colour, share: number): Colour {
  return between(a, b, share);
}

export function minus(a: Point, b: Point): Point {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

export function plus(a: Point, b: Point): Point {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}

function between(a: Point, b: Point, share: number): Point {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}
