import { type Random, random, randomBetween, randomIndex } from '../random.ts';
import { drawBuildings } from './building.ts';
import { type Colour, css, fill, fillAll, heightPx, mix, type Point, project, type View, widthPx } from './view.ts';

/** Places across the street, metres from the kerb. */
export const sidewalkM = 3.8;
export const roadM = 9.4;
export const parkingLaneM = 2.3;
export const kerbM = 0.15;
/** Width of the sidewalks of side streets. */
export const sideWalkM = 3;
const endM = 140;
const beginM = -4;

const asphalt: Colour = [98, 100, 104];
const pavement: Colour = [178, 174, 166];
const kerbstone: Colour = [196, 193, 186];

/** Rectangle on the ground or at a height. */
export function slab(x0: number, x1: number, z0: number, z1: number, y = 0): Point[] {
  return [
    [x0, y, z0],
    [x1, y, z0],
    [x1, y, z1],
    [x0, y, z1],
  ];
}

/** Sky, road, both sidewalks and the houses; everything that stands or is painted comes on top. */
export function drawStreet(
  view: View,
  state: Random,
  house: string | undefined,
  crossing?: readonly [number, number],
): void {
  const { pen, light, camera } = view;
  const horizonPx = Math.max(2, project(camera, [camera.at[0], camera.at[1], 4000])[1]);
  const sky = pen.createLinearGradient(0, 0, 0, horizonPx);
  sky.addColorStop(0, css(light.skyTop));
  sky.addColorStop(1, css(light.skyLow));
  const roadPx = Math.max(horizonPx, project(camera, [camera.at[0], 0, endM])[1]);
  pen.fillStyle = sky;
  pen.fillRect(0, 0, widthPx, horizonPx);
  pen.fillStyle = css(light.haze);
  pen.fillRect(0, horizonPx, widthPx, roadPx - horizonPx);
  pen.fillStyle = css(asphalt);
  pen.fillRect(0, roadPx, widthPx, heightPx - roadPx);

  fill(view, slab(-roadM, 0, 60, endM), css(mix(asphalt, light.haze, 0.5)));
  drawWear(view, state);
  const near = crossing === undefined ? [slab(0, sidewalkM, beginM, endM, kerbM)] : corners(crossing);
  fillAll(view, near, css(pavement, 1.02));
  fill(view, slab(-roadM - sidewalkM, -roadM, beginM, endM, kerbM), css(pavement, 0.98));
  drawJoints(view, crossing ?? [0, 0]);
  drawBuildings(view, state, -roadM - sidewalkM, -1, undefined, undefined);
  drawKerb(view, crossing?.[1] ?? beginM, endM, kerbstone);
  if (crossing !== undefined) drawKerb(view, beginM, crossing[0], kerbstone);
  drawBuildings(view, state, sidewalkM, 1, house, crossing);
}

/** A length of the near kerb, in its own stone or painted. */
export function drawKerb(view: View, z0: number, z1: number, colour: Colour): void {
  const face: Point[] = [
    [0, 0, z0],
    [0, kerbM, z0],
    [0, kerbM, z1],
    [0, 0, z1],
  ];
  fill(view, slab(0, 0.2, z0, z1, kerbM), css(colour, 1.08));
  fill(view, face, css(colour, 0.78));
}

/** The near sidewalk where a side street cuts it in two, and its own sidewalks. */
function corners([z0, z1]: readonly [number, number]): Point[][] {
  const [house, far] = [sidewalkM, 60];
  const outline = (from: number, corner: number, back: number): Point[] =>
    [
      [0, from],
      [0, corner],
      [far, corner],
      [far, back],
      [house, back],
      [house, from],
    ].map(([x, z]): Point => [x!, kerbM, z!]);
  return [outline(beginM, z0, z0 - sideWalkM), outline(endM, z1, z1 + sideWalkM)];
}

/** Tracks of tyres, patches and cracks: what makes a surface a road. */
function drawWear(view: View, state: Random): void {
  const tracks = [-7.4, -5.9, -4.6, -3.1].map(x => slab(x - 0.28, x + 0.28, beginM, 70));
  fillAll(view, tracks, css([60, 62, 68], 1, 0.16));
  fillAll(view, [slab(-roadM, -roadM + 0.5, beginM, endM), slab(-0.5, 0, beginM, endM)], css([50, 48, 46], 1, 0.25));
  for (let patch = 0; patch < 3; patch++) {
    const x = randomBetween(state, -8, -2.4);
    const z = randomBetween(state, 3, 26);
    const tone: Colour = random(state) < 0.6 ? [70, 71, 75] : [122, 122, 122];
    fill(view, slab(x, x + randomBetween(state, 0.6, 1.6), z, z + randomBetween(state, 1, 5)), css(tone, 1, 0.5));
  }
  const manhole = disc([randomBetween(state, -6, -4), 0, randomBetween(state, 8, 15)], 0.36);
  fill(view, manhole, css([64, 62, 60]));
  const cracks = Array.from({ length: 7 }, () => crack(state));
  fillAll(view, cracks, css([48, 48, 50], 1, 0.6));
}

function crack(state: Random): Point[] {
  let x = randomBetween(state, -8.5, -0.6);
  let z = randomBetween(state, 1.5, 22);
  const there: Point[] = [];
  const back: Point[] = [];
  for (let step = 0; step < 5; step++) {
    there.push([x, 0, z]);
    back.unshift([x + 0.03, 0, z + 0.03]);
    x += randomBetween(state, -0.5, 0.5);
    z += randomBetween(state, 0.1, 0.9);
  }
  return [...there, ...back];
}

/** A round flat thing; seen as what it is from every side. */
export function disc([x, y, z]: Point, radiusM: number, corners = 14): Point[] {
  return Array.from({ length: corners }, (_, index): Point => {
    const angle = (index / corners) * 2 * Math.PI;
    return [x + radiusM * Math.cos(angle), y, z + radiusM * Math.sin(angle)];
  });
}

function drawJoints(view: View, [z0, z1]: readonly [number, number]): void {
  const joints: Point[][] = [];
  for (let z = 0; z < 34; z += 1.6) {
    joints.push(slab(-roadM - sidewalkM, -roadM, z, z + 0.05, kerbM));
    if (z < z0 || z > z1) joints.push(slab(0.2, sidewalkM, z, z + 0.035, kerbM));
  }
  joints.push(slab(1.9, 1.93, z1, 40, kerbM), slab(1.9, 1.93, 0, z0, kerbM));
  fillAll(view, joints, css([120, 116, 110], 1, 0.7));
  fill(view, slab(-roadM - 0.2, -roadM, beginM, endM, kerbM), css(kerbstone, 1.05));
}

/** One of `values`, each as likely. */
export function pick<T>(state: Random, values: readonly T[]): T {
  return values[randomIndex(state, values.length)]!;
}
