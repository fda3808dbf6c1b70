import { type Random, random } from '../random.ts';
import { paintOf } from './paint.ts';
import { drawPlate, type PlateCover, plateM, plateSheet } from './plate.ts';
import { drawBox, drawCab } from './vehicle-body.ts';
import { drawFolds, drawLights, drawLoad, drawMirrors, drawMotorcycle, drawTrim } from './vehicle-parts.ts';
import { isMotorcycle, type Shape, shapeOf } from './vehicle-shape.ts';
import { css, facing, fill, fillAll, onSheet, type Point, type View } from './view.ts';

/** A vehicle and how it stands. */
export interface Vehicle {
  bodyType: string | undefined;
  colour: string | undefined;
  make?: string | undefined;
  plate: string;
  plateState: string;
  /** Middle of the end that points to the camera. */
  at: Point;
  /** Radians, to the right; 0 is along the street. */
  turn: number;
  /** Whether its front points to the camera. */
  front: boolean;
  plateCover: PlateCover;
  /** A tarpaulin over all but wheels and plate. */
  tarpaulin?: boolean;
  /** A strange load on the roof. */
  loaded?: boolean;
  /** Seen from far: no small parts. */
  plain?: boolean;
  tailLightMissing?: boolean;
  /** Lights that say: I only stand here for a moment. */
  hazard?: boolean;
}

/** A vehicle's own metres (x to its right, y up, z from the near end) in the street's. */
export function placed({ at, turn }: Pick<Vehicle, 'at' | 'turn'>, [x, y, z]: Point): Point {
  return [at[0] + x * Math.cos(turn) + z * Math.sin(turn), at[1] + y, at[2] + z * Math.cos(turn) - x * Math.sin(turn)];
}

export function drawVehicle(view: View, vehicle: Vehicle, chance: Random): void {
  const shape = shapeOf(vehicle.bodyType);
  // Outlines run from the rear; a vehicle that shows its front is turned over along z.
  const along = (z: number) => (vehicle.front ? shape.lengthM - z : z);
  const to = ([x, y, z]: Point) => placed(vehicle, [x, y, along(z)]);
  const body = vehicle.tarpaulin === true ? ([104, 124, 146] as const) : paintOf(vehicle.colour);
  drawShadow(view, vehicle, shape);
  if (vehicle.at[2] < 24) drawTyres(view, shape, to);
  if (vehicle.plain !== true && vehicle.tarpaulin !== true) drawMirrors(view, vehicle, shape, to);
  const parts = [
    () => shape.hull.length > 0 && drawCab(view, vehicle, shape, body, to),
    () => shape.box !== undefined && drawBox(view, vehicle, shape, to),
  ];
  if (vehicle.front) parts.reverse();
  for (const draw of parts) draw();
  if (vehicle.tarpaulin === true) drawFolds(view, shape, to);
  if (vehicle.loaded === true) drawLoad(view, shape, to);
  if (isMotorcycle(shape)) drawMotorcycle(view, to);
  else if (vehicle.tarpaulin !== true) drawLights(view, vehicle, shape, to);
  if (vehicle.plain === true) return;
  if (vehicle.tarpaulin !== true) drawTrim(view, vehicle, shape, to);
  onSheet(view, plateCorners(vehicle), plateSheet, pen =>
    drawPlate(pen, vehicle.plate, vehicle.plateState, vehicle.plateCover, chance),
  );
}

/** Where the plate that the camera sees is. */
export function plateCorners(vehicle: Vehicle): [Point, Point, Point] {
  const shape = shapeOf(vehicle.bodyType);
  const bare = vehicle.front && shape.hull.length === 0 && shape.box !== undefined;
  const low =
    vehicle.front && shape.hull.length > 0 && !isMotorcycle(shape) ? Math.min(shape.plateY, 0.5) : shape.plateY;
  const y = bare && shape.box?.coach !== true ? shape.box!.y[0] + 0.2 : low;
  const corners = facing([0, y, -0.03], ...plateM);
  return corners.map(corner => placed(vehicle, corner)) as [Point, Point, Point];
}

/** Puts a point of the vehicle, whose z runs from its rear, into the street. */
export type Place = (point: Point) => Point;

function drawShadow(view: View, vehicle: Vehicle, { lengthM, box, hull }: Shape): void {
  const half = box?.halfM ?? hull[1]![2];
  const patch = (grow: number, shift: number) =>
    (
      [
        [-half - grow, 0.01, -0.12 - grow],
        [half + grow + shift, 0.01, -0.12 - grow],
        [half + grow + shift, 0.01, lengthM + grow],
        [-half - grow, 0.01, lengthM + grow],
      ] as Point[]
    ).map(point => placed(vehicle, point));
  if (vehicle.at[2] < 18) fill(view, patch(0.22, 0.5), css([20, 22, 30], 1, 0.28));
  fill(view, patch(0.02, 0.1), css([14, 15, 20], 1, 0.6));
}

function drawTyres(view: View, { wheels, wheelM, hull, box }: Shape, to: Place): void {
  const half = (hull[1]?.[2] ?? box?.halfM ?? 1) - 0.02;
  const thin = half < 0.3;
  const rubber = wheels.flatMap(z =>
    (thin ? [0] : [-1, 1]).map((side): Point[] => {
      const [inner, outer] = thin ? [-0.09, 0.09] : [side * (half - 0.24), side * half];
      const y = wheelM * 1.7;
      const near = z - wheelM * 0.8;
      const far = z + wheelM * 0.8;
      const edge = Math.abs(to([0, 0, near])[2]) < Math.abs(to([0, 0, far])[2]) ? near : far;
      return (
        [
          [inner, 0, edge],
          [outer, 0, edge],
          [outer, y, edge],
          [inner, y, edge],
        ] as Point[]
      ).map(to);
    }),
  );
  fillAll(view, rubber, css([22, 22, 24]));
}

/** A vehicle of the neighbourhood: one of the common bodies and colours. */
export function passer(chance: Random, at: Point, front: boolean): Vehicle {
  const bodies = ['4DSD', 'SUBN', 'SUBN', 'VAN', '4DSD', 'PICK'];
  const paints = ['BK', 'GY', 'WH', 'BL', 'RD', 'SIL', 'GY', 'WH'];
  return {
    bodyType: bodies[Math.floor(random(chance) * bodies.length)]!,
    colour: paints[Math.floor(random(chance) * paints.length)]!,
    plate: '',
    plateState: '',
    at,
    turn: 0,
    front,
    plateCover: 'none',
    plain: true,
  };
}
