import { type Random, random } from '../random.ts';
import { hourName, type Sign, signsFootM, signsM } from './sign.ts';
import { kerbM } from './street.ts';
import type { Vehicle } from './vehicle.ts';
import { shapeOf } from './vehicle-shape.ts';
import type { Point, View } from './view.ts';

type Draw = (view: View) => void;

/** What decides: where it is, how large, and what can hide it. */
export interface Evidence {
  /** Its lower middle. */
  at: Point;
  wideM: number;
  highM: number;
  kind: 'sign' | 'low' | 'glass' | 'body';
}

/** What there is to see, before a camera looks at it. A family of codes sets it up. */
export interface Site {
  readonly chance: Random;
  readonly hour: number;
  /** False: a picture that shows why there is no violation. */
  readonly guilty: boolean;
  readonly vehicle: Vehicle;
  /** Kerb on the left: how one sees the front of a vehicle that stands as it should. */
  mirrored: boolean;
  /** On the ground, in the order of drawing. */
  painted: Draw[];
  /** What stands: `z` says what hides what. */
  things: { z: number; draw: Draw }[];
  /** On the post with the street's name, the upper one first. */
  signs: Sign[];
  postZ: number;
  evidence: Evidence;
  /** A side street that opens in the near row of houses. */
  crossing?: readonly [z0: number, z1: number];
  /** Other vehicles: at the kerb ahead, across the street. */
  ahead: boolean;
  across: boolean;
  /** Whether a small picture in the corner shows the plate at the vehicle's other end. */
  otherEnd: boolean;
}

/** Where a vehicle stands that is parked as it should be. */
export const parkedAt: Point = [-0.25 - 0.92, 0, 6.2];

export function emptySite(vehicle: Vehicle, chance: Random, hour: number, guilty: boolean): Site {
  const { lengthM, box } = shapeOf(vehicle.bodyType);
  return {
    chance,
    hour,
    guilty,
    vehicle,
    mirrored: false,
    painted: [],
    things: [],
    signs: [],
    // Beside a truck's tail, where it does not hide the sign.
    postZ: vehicle.at[2] + (box === undefined ? Math.min(2.6, lengthM * 0.5) : 0.1),
    evidence: { at: [vehicle.at[0], 0.2, vehicle.at[2]], wideM: 1.9, highM: 1.4, kind: 'body' },
    ahead: true,
    across: true,
    otherEnd: false,
  };
}

/** Puts the vehicle elsewhere, with what follows from it. */
export function stand(site: Site, x: number, z: number, turn = 0): void {
  site.vehicle.at = [x, x > 0 ? kerbM : 0, z];
  site.vehicle.turn = turn;
  site.evidence = { ...site.evidence, at: [x, 0.2, z] };
}

/** Turns the picture so that it shows the front. */
export function showFront(site: Site): void {
  site.vehicle.front = true;
  site.mirrored = true;
}

/** Adds a sign that holds now, or for an innocent one not at this hour, and makes it what decides. */
export function post(site: Site, sign: Sign, timed: boolean): void {
  const hours = site.guilty ? (timed ? hoursAround(site) : undefined) : hoursWithout(site);
  site.signs.push({ ...sign, ...(hours === undefined ? {} : { hours }) });
  decideBySign(site);
}

/** A second sign, of another rule, that does not hold at this hour. */
export function postAnother(site: Site, sign: Sign): void {
  site.signs.push({ ...sign, hours: hoursWithout(site) });
  if (site.evidence.kind === 'sign' && site.signs.length > 1) decideBySign(site);
}

/** Makes the signs on the post what decides. */
export function decideBySign(site: Site): void {
  const [wideM, highM] = signsM(site.signs.length);
  site.evidence = { at: [0.55, signsFootM(site.signs.length), site.postZ], wideM, highM, kind: 'sign' };
}

function hoursAround({ hour, chance }: Site): string {
  const common = [
    [7, 19],
    [8, 18],
    [7, 10],
    [16, 19],
    [9, 17],
    [19, 24],
    [0, 6],
  ].filter(([from, to]) => hour >= from! && hour < to!);
  const [from, to] = common[Math.floor(random(chance) * common.length)] ?? [hour - 1, hour + 3];
  return `${hourName(from!)}-${hourName(to!)}`;
}

function hoursWithout({ hour, chance }: Site): string {
  const from = hour + 3 + Math.floor(random(chance) * 3);
  return `${hourName(from)}-${hourName(from + 3)}`;
}
