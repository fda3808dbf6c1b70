import { drawBoard } from './furniture.ts';
import { type Site, showFront, stand } from './site.ts';
import { disc, slab } from './street.ts';
import { drawVehicle, passer } from './vehicle.ts';
import { shapeOf } from './vehicle-shape.ts';
import { css, fill, type Point } from './view.ts';

/** Left in the street alone: a trailer without what draws it. */
export function detached(site: Site): void {
  if (shapeOf(site.vehicle.bodyType).hull.length > 0 || site.vehicle.bodyType === 'BUS') site.vehicle.bodyType = 'TRLR';
  showFront(site);
  site.ahead = false;
  const [x, , z] = site.vehicle.at;
  const { chance } = site;
  const { plate, plateState } = site.vehicle;
  if (site.guilty) return;
  stand(site, x, z + 2.6);
  site.things.push({
    z: z - 0.8,
    draw: view =>
      drawVehicle(
        view,
        { ...passer(chance, [x, 0, z - 0.8], true), bodyType: 'TRAC', plain: false, plate, plateState },
        chance,
      ),
  });
}

/** Works in the street that the vehicle is in the way of. */
export function excavation(site: Site): void {
  for (const [x, z] of [
    [-2.6, 5.2],
    [-2.9, 8.2],
    [-2.9, 11],
  ] as const) {
    site.things.push({
      z,
      draw: view => drawBoard(view, [x - 0.6, -0.75, z], ['ROAD', 'WORK'], [240, 130, 40], [20, 20, 20]),
    });
  }
  site.painted.push(view =>
    fill(
      view,
      [
        [-3, 0, 12],
        [-0.4, 0, 12],
        [-0.4, 0, 16],
        [-3, 0, 16],
      ],
      css([66, 50, 38]),
    ),
  );
  site.ahead = false;
}

/** What comes out of the exhaust of one that idles. */
export function idling(site: Site): void {
  if (!site.guilty) return;
  const [x, , z] = site.vehicle.at;
  site.things.push({
    z: z - 0.1,
    draw: view => {
      for (const [along, up, radiusM] of [
        [0.1, 0.3, 0.16],
        [0.5, 0.42, 0.28],
        [1.05, 0.6, 0.4],
      ] as const) {
        const puff = disc([0, 0, 0], radiusM).map(([dx, , dy]): Point => [x - 0.5 + dx, up + dy * 0.7, z - along]);
        fill(view, puff, css([226, 228, 232], 1, 0.55));
      }
    },
  });
}

/** The platform at a truck's tail, left down. */
export function liftGate(site: Site): void {
  if (!site.guilty) return;
  const [x, , z] = site.vehicle.at;
  const [x0, x1, front] = [x - 0.95, x + 0.95, z - 1.3];
  site.things.push({
    z: z - 0.1,
    draw: view => {
      fill(view, slab(x0, x1, front, z, 0.32), css([150, 152, 156]));
      fill(
        view,
        [
          [x0, 0.2, front],
          [x1, 0.2, front],
          [x1, 0.32, front],
          [x0, 0.32, front],
        ],
        css([236, 190, 40]),
      );
    },
  });
}
