import { shadeOf } from './light.ts';
import { paintOf } from './paint.ts';
import { disc } from './street.ts';
import type { Place, Vehicle } from './vehicle.ts';
import { isMotorcycle, type Shape, type SideShape, type Station } from './vehicle-shape.ts';
import { type Colour, css, fill, fillAll, line, minus, mix, type Point, type View } from './view.ts';

const glassColour: Colour = [40, 50, 60];
const trim: Colour = [34, 34, 38];

const dot = (a: Point, b: Point) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Shades are told apart in so many steps; faces of the same one are filled together. */
const shadeSteps = 24;

/** A body drawn between the outlines of its two sides; faces that look away are left out. */
function drawLoft(view: View, stations: readonly Station[], to: Place, colour: Colour): void {
  const { camera, light } = view;
  const faces = new Map<number, Point[][]>();
  const add = (corners: Point[], normal: Point, share: number) => {
    if (dot(minus(camera.at, corners[0]!), normal) <= 0) return;
    const step = Math.round(shadeOf(light, normal) * share * shadeSteps);
    const found = faces.get(step);
    if (found === undefined) faces.set(step, [corners]);
    else found.push(corners);
  };
  const sides = [-1, 1].map(side => stations.map(([z, y, half]) => to([side * half, y, z])));
  const [left, right] = [sides[0]!, sides[1]!];
  for (let strip = 0; strip + 1 < stations.length; strip++) {
    const corners = [left[strip]!, right[strip]!, right[strip + 1]!, left[strip + 1]!];
    add(corners, outward(minus(corners[1]!, corners[0]!), minus(corners[3]!, corners[0]!), corners[0]!, to), 1);
  }
  add(left, sideNormal(-1, to), 0.94);
  add(right, sideNormal(1, to), 0.94);
  for (const [step, shapes] of faces) fillAll(view, shapes, css(colour, step / shadeSteps));
}

/** The normal of a strip, turned away from the middle of the body. */
function outward(across: Point, up: Point, corner: Point, to: Place): Point {
  const [x, y, z] = [
    up[1] * across[2] - up[2] * across[1],
    up[2] * across[0] - up[0] * across[2],
    up[0] * across[1] - up[1] * across[0],
  ];
  const length = Math.hypot(x, y, z) || 1;
  const normal: Point = [x / length, y / length, z / length];
  const middle = to([0, 0.6, 2.4]);
  const away = dot(minus(corner, middle), normal) >= 0 ? 1 : -1;
  return [normal[0] * away, normal[1] * away, normal[2] * away];
}

function sideNormal(side: number, to: Place): Point {
  return minus(to([side, 0, 0]), to([0, 0, 0]));
}

export function drawCab(view: View, vehicle: Vehicle, shape: Shape, body: Colour, to: Place): void {
  const { hull, cabin, windows, doors } = shape;
  const covered = vehicle.tarpaulin === true;
  drawLoft(view, hull, to, body);
  const seen = visibleSide(view, to, hull);
  const on = (shapeOnSide: SideShape, halfOf: (y: number) => number): Point[] =>
    shapeOnSide.map(([z, y]) => to([seen * (halfOf(y) + 0.004), y, z]));
  if (seen !== 0 && !isMotorcycle(shape)) drawSide(view, shape, body, vehicle, to, seen);
  if (cabin === undefined) return;
  drawLoft(view, cabin, to, body);
  if (covered) return;
  const halfAt = (y: number) => {
    const [low, high] = [cabin[0]!, cabin[1]!];
    return low[2] + ((high[2] - low[2]) * (y - low[1])) / (high[1] - low[1]);
  };
  const panes = seen === 0 ? [] : windows.map(window => on(window, halfAt));
  const skies: Point[][] = [];
  for (const [low, high] of [cabin.slice(0, 2), [cabin[3], cabin[2]]] as [Station, Station][]) {
    if (low === cabin[0] && shape.box !== undefined) continue;
    const [pane, sky] = glassOf(view, low, high, to);
    if (pane !== undefined) panes.push(pane);
    if (sky !== undefined && vehicle.plain !== true) skies.push(sky);
  }
  fillAll(view, panes, css(glassColour));
  fillAll(view, skies, css(mix(glassColour, view.light.skyLow, 0.35)));
  if (seen !== 0 && vehicle.plain !== true) {
    for (const z of doors) {
      line(
        view,
        to([seen * (hull[4]?.[2] ?? 0.9), 0.45, z]),
        to([seen * (hull[4]?.[2] ?? 0.9), cabin[0]![1], z]),
        0.015,
        css(body, 0.6),
      );
    }
  }
}

/** 1 or -1 for the side that the camera sees, 0 for a vehicle seen straight on. */
function visibleSide(view: View, to: Place, hull: readonly Station[]): number {
  for (const side of [-1, 1]) {
    const at = to([side * (hull[4]?.[2] ?? hull[1]![2]), 0.6, 1]);
    if (dot(minus(view.camera.at, at), sideNormal(side, to)) > 0) return side;
  }
  return 0;
}

/** A window across the body, and the part of it that mirrors the sky; nothing of one that looks away. */
function glassOf(view: View, low: Station, high: Station, to: Place): [pane?: Point[], sky?: Point[]] {
  const at = (share: number, inset: number): [Point, Point] => {
    const half = low[2] + (high[2] - low[2]) * share - inset;
    const y = low[1] + (high[1] - low[1]) * share;
    const z = low[0] + (high[0] - low[0]) * share;
    return [to([-half, y + 0.006, z]), to([half, y + 0.006, z])];
  };
  const [a, b] = at(0.12, 0.08);
  const [d, c] = at(0.94, 0.07);
  const normal = outward(minus(b, a), minus(d, a), a, to);
  if (dot(minus(view.camera.at, a), normal) <= 0) return [];
  const [e, f] = at(0.6, 0.1);
  return [
    [a, b, c, d],
    [e, f, c, d],
  ];
}

function drawSide(view: View, shape: Shape, body: Colour, vehicle: Vehicle, to: Place, seen: number): void {
  const { wheels, wheelM, hull } = shape;
  const half = (hull[4]?.[2] ?? hull[1]![2]) + 0.01;
  const rounds = (radiusM: number, out: number) =>
    wheels.map(z =>
      disc([0, 0, 0], radiusM, vehicle.plain === true ? 9 : 16).map(([y, , along]) =>
        to([seen * (half + out), Math.max(0, wheelM + y), z + along]),
      ),
    );
  const sill: Point[] = [
    [0.3, 0.3],
    [shape.lengthM - 0.3, 0.3],
    [shape.lengthM - 0.3, 0.42],
    [0.3, 0.42],
  ].map(([z, y]) => to([seen * half, y!, z!]));
  if (vehicle.tarpaulin !== true && vehicle.at[2] < 18) fill(view, sill, css(body, 0.5));
  if (vehicle.plain !== true) fillAll(view, rounds(wheelM + 0.07, 0), css(trim, 0.8));
  fillAll(view, rounds(wheelM, 0.01), css([26, 26, 28]));
  fillAll(view, rounds(wheelM * 0.62, 0.015), css([150, 152, 156]));
  if (vehicle.plain !== true) fillAll(view, rounds(wheelM * 0.2, 0.02), css([70, 72, 76]));
}

export function drawBox(view: View, vehicle: Vehicle, shape: Shape, to: Place): void {
  const { z, y, halfM, coach } = shape.box!;
  const paint = paintOf(vehicle.colour);
  const colour: Colour = coach === true ? paint : mix(paint, [236, 236, 232], vehicle.tarpaulin === true ? 0 : 0.55);
  const stations: Station[] = [
    [z[0], y[0], halfM],
    [z[0], y[1] - 0.08, halfM],
    [z[0] + 0.1, y[1], halfM - 0.06],
    [z[1] - 0.1, y[1], halfM - 0.06],
    [z[1], y[1] - 0.08, halfM],
    [z[1], y[0], halfM],
  ];
  const seen = visibleSide(view, to, stations);
  drawLoft(view, stations, to, colour);
  if (shape.hull.length === 0 && seen !== 0) {
    fillAll(
      view,
      shape.wheels.map(wheel =>
        disc([0, 0, 0], shape.wheelM).map(([up, , along]) => to([seen * halfM, shape.wheelM + up, wheel + along])),
      ),
      css([26, 26, 28]),
    );
  }
  const end = vehicle.front ? z[1] : z[0];
  const rear = (x0: number, x1: number, y0: number, y1: number): Point[] =>
    (
      [
        [x0, y0, end],
        [x1, y0, end],
        [x1, y1, end],
        [x0, y1, end],
      ] as Point[]
    ).map(to);
  if (coach === true) {
    fill(view, rear(-halfM + 0.2, halfM - 0.2, y[1] - 1.1, y[1] - 0.3), css(glassColour));
    if (vehicle.front) fill(view, rear(-halfM + 0.1, halfM - 0.1, 1.3, y[1] - 0.5), css(glassColour, 1.3));
    else fill(view, rear(-0.7, 0.7, 1.05, 1.7), css(colour, 0.6));
    const windows = Array.from({ length: 7 }, (_, index): Point[] =>
      (
        [
          [0.7 + index * 1.45, 1.6],
          [1.95 + index * 1.45, 1.6],
          [1.95 + index * 1.45, 2.6],
          [0.7 + index * 1.45, 2.6],
        ] as const
      ).map(([along, up]) => to([seen * (halfM + 0.01), up, along])),
    );
    if (seen !== 0) fillAll(view, windows, css(glassColour));
  } else if (!vehicle.front && y[1] > 2) {
    fill(view, rear(-halfM + 0.08, halfM - 0.08, y[0] + 0.06, y[1] - 0.16), css(colour, 0.78));
    for (let slat = 1; slat < 6; slat++) {
      const up = y[0] + 0.1 + (slat * (y[1] - y[0] - 0.3)) / 6;
      line(view, to([-halfM + 0.1, up, end]), to([halfM - 0.1, up, end]), 0.02, css(colour, 0.6));
    }
  }
  if (vehicle.front && shape.hull.length === 0 && coach !== true) {
    // A trailer without its tractor rests on two legs.
    const leg = (x: number): Point[] => [
      [x - 0.1, 0.05, z[1] - 1],
      [x + 0.1, 0.05, z[1] - 1],
      [x + 0.1, y[0], z[1] - 1],
      [x - 0.1, y[0], z[1] - 1],
    ];
    fillAll(view, [leg(-0.7).map(to), leg(0.7).map(to)], css([120, 124, 130]));
  }
  if (!vehicle.front && coach !== true) fill(view, rear(-halfM, halfM, 0.45, y[0]), css([40, 40, 44]));
}
