import { drawBoard, drawHydrant, drawShelter, drawSignal } from './furniture.ts';
import {
  paintBicycle,
  paintCrosswalk,
  paintCut,
  paintDashes,
  paintGarage,
  paintHatching,
  paintLane,
  paintSpaces,
  paintStopLine,
  paintWord,
} from './marking.ts';
import type { Sign } from './sign.ts';
import { parkedAt, post, type Site, stand } from './site.ts';
import { drawKerb, kerbM, roadM } from './street.ts';
import { drawVehicle, passer } from './vehicle.ts';
import { type Colour, css, fill, type Point } from './view.ts';

const kerbX = parkedAt[0];
const yellow: Colour = [232, 184, 44];
const redPaint: Colour = [190, 50, 44];

export function hydrant(site: Site): void {
  if (!site.guilty) stand(site, kerbX, 11);
  const at: Point = [0.7, kerbM, site.guilty ? site.vehicle.at[2] + 0.5 : 5.4];
  site.postZ = site.vehicle.at[2] + 3.6;
  site.painted.push(view => drawKerb(view, at[2] - 2.2, at[2] + 3.2, yellow));
  site.things.push({ z: at[2], draw: view => drawHydrant(view, at) });
  site.evidence = { at, wideM: 0.6, highM: 1, kind: 'low' };
}

/** Beside those that are parked, or for an innocent one among them. */
export function doubleParked(site: Site): void {
  const { chance } = site;
  if (site.guilty) stand(site, -3.55, 6.4);
  site.vehicle.hazard = site.guilty;
  site.ahead = false;
  const others = site.guilty ? [5.0, 10.6, 16.6] : [12.4, 18.4];
  for (const z of others)
    site.things.push({ z, draw: view => drawVehicle(view, passer(chance, [kerbX, 0, z], false), chance) });
  site.postZ = 9.8;
}

export function trafficLane(site: Site): void {
  site.painted.push(
    view => paintDashes(view, -2.5),
    view => paintDashes(view, -5.9),
  );
  if (site.guilty) stand(site, -4.2, 7);
  site.vehicle.hazard = site.guilty;
  site.ahead = false;
}

/** A lane for buses at the kerb, with its sign. */
export function busLane(site: Site, sign: Sign): void {
  site.painted.push(
    view => paintLane(view, -3.3, -0.1, [158, 66, 60]),
    view => paintWord(view, 'BUS', -2.9, -0.5, 5.7, 8),
    view => paintWord(view, 'ONLY', -2.9, -0.5, 17, 20),
  );
  stand(site, site.guilty ? -1.7 : -4.9, 8.8);
  site.ahead = false;
  site.signs.push(sign);
}

export function bikeLane(site: Site): void {
  site.painted.push(
    view => paintLane(view, -2.2, -0.1, [70, 142, 88]),
    view => paintBicycle(view, -1.15, 5),
    view => paintBicycle(view, -1.15, 14.5),
  );
  stand(site, site.guilty ? -1.3 : -3.5, 8);
  site.ahead = false;
}

export function crosswalk(site: Site): void {
  const z = 4.1;
  site.crossing = site.guilty ? [z + 3.6, z + 11] : [18, 24];
  site.painted.push(
    view => paintCrosswalk(view, z, z + 3.2),
    view => paintCut(view, z + 0.9, z + 2.3, true),
  );
  stand(site, kerbX, site.guilty ? 5.9 : 8);
  site.postZ = site.guilty ? 7.4 : 11;
  site.ahead = false;
}

export function intersection(site: Site): void {
  const [z0, z1] = site.guilty ? [6, 14] : [13, 21];
  site.crossing = [z0, z1];
  site.painted.push(
    view => paintHatching(view, -roadM + 0.4, -0.2, z0 + 0.4, z1 - 0.4, true, [232, 200, 84]),
    view => paintCrosswalk(view, z0 - 3, z0 - 0.6),
    view => paintCrosswalk(view, z1 + 0.6, z1 + 3),
  );
  stand(site, site.guilty ? -2.6 : kerbX, site.guilty ? 7.2 : 4.9);
  site.postZ = z0 - 0.5;
  site.ahead = false;
}

export function safetyZone(site: Site): void {
  const [x0, x1] = [-4.4, -0.2];
  site.painted.push(view => paintHatching(view, x0, x1, 4.4, 15, false));
  for (const z of [4.6, 7.5, 10.4, 13.3]) {
    site.things.push({
      z,
      draw: view => {
        fill(
          view,
          [
            [x0 - 0.06, 0, z],
            [x0 + 0.06, 0, z],
            [x0 + 0.06, 1, z],
            [x0 - 0.06, 1, z],
          ],
          css([236, 120, 40]),
        );
        fill(
          view,
          [
            [x0 - 0.06, 0.7, z],
            [x0 + 0.06, 0.7, z],
            [x0 + 0.06, 0.85, z],
            [x0 - 0.06, 0.85, z],
          ],
          css([244, 244, 240]),
        );
      },
    });
  }
  stand(site, site.guilty ? -2 : -5.9, 7);
  site.ahead = false;
}

export function sidewalk(site: Site): void {
  if (site.guilty) stand(site, 1.25, 6.6);
}

export function ramp(site: Site): void {
  const z = site.guilty ? site.vehicle.at[2] - 0.5 : 4.9;
  if (!site.guilty) stand(site, kerbX, 7.4);
  site.painted.push(view => paintCut(view, z, z + 1.5, true));
  site.evidence = { at: [0.6, 0, z + 0.7], wideM: 1.2, highM: 0.6, kind: 'low' };
}

export function driveway(site: Site): void {
  const [z0, z1] = site.guilty ? [7.3, 10.6] : [12.2, 15.5];
  site.painted.push(
    view => paintCut(view, z0, z1, false),
    view => paintGarage(view, z0, z1),
  );
  site.postZ = 5.6;
  site.ahead = false;
  site.evidence = { at: [1, 0.1, (z0 + z1) / 2], wideM: 2.4, highM: 0.8, kind: 'low' };
}

export function angled(site: Site): void {
  if (site.guilty) stand(site, -2.9, 6, 0.5);
}

export function wrongWay(site: Site): void {
  if (site.guilty) site.vehicle.front = true;
}

export function markedSpace(site: Site): void {
  const first = site.guilty ? site.vehicle.at[2] + 1.7 : site.vehicle.at[2] - 0.7;
  const zs = [-6.3, 0, 6.3, 12.6].map(step => first + step);
  site.painted.push(view => paintSpaces(view, zs));
  site.ahead = false;
}

/** Red light run, or green for an innocent one. */
export function redLight(site: Site): void {
  site.crossing = [8.5, 16];
  site.painted.push(
    view => paintStopLine(view, 4.3),
    view => paintCrosswalk(view, 5.2, 7.9),
    view => paintDashes(view, -4.8),
  );
  stand(site, -2.9, 8);
  const at: Point = [0.5, kerbM, 8.1];
  site.things.push({ z: at[2], draw: view => drawSignal(view, at, site.guilty) });
  site.evidence = { at: [0.5, 2.1, 8.1], wideM: 0.5, highM: 1.2, kind: 'sign' };
  site.postZ = 17;
  site.ahead = false;
}

/** A school zone's limit and what the radar measured. */
export function speeding(site: Site): void {
  const speed = site.guilty ? 37 + Math.floor(site.vehicle.plate.length * 1.5) : 24;
  const at: Point = [1.7, kerbM, 8.6];
  site.painted.push(
    view => paintDashes(view, -5),
    view => paintWord(view, 'SCHOOL', -4.6, -0.8, 5.3, 7.6),
  );
  stand(site, -2.9, 8.4);
  site.things.push({
    z: at[2],
    draw: view =>
      drawBoard(view, at, ['YOUR SPEED', String(speed)], [20, 22, 26], site.guilty ? [255, 120, 40] : [90, 230, 110]),
  });
  site.signs.push({ style: 'school', lines: ['SCHOOL', 'SPEED', 'LIMIT', '25'] });
  site.postZ = 12.5;
  site.ahead = false;
  site.evidence = { at: [at[0], 1.3, at[2]], wideM: 1.1, highM: 1, kind: 'sign' };
}

/** A stop with its shelter, word on the road and painted kerb. */
export function busStop(site: Site, sign: Sign): void {
  site.painted.push(
    view => drawKerb(view, 3, 19, site.guilty ? redPaint : [196, 193, 186]),
    view => paintWord(view, 'STOP', -2.3, -0.3, 13.2, 15.6),
    view => paintWord(view, 'BUS', -2.3, -0.3, 16, 18.4),
  );
  site.things.push({ z: 10.6, draw: view => drawShelter(view, 10.6) });
  site.ahead = false;
  post(site, sign, false);
}
