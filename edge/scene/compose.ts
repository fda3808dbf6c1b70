import { type Random, random, randomBetween, seededRandom } from '../random.ts';
import { type Difficulty, difficultyOf } from './difficulty.ts';
import { commonSigns, setUp } from './families.ts';
import { lightAt } from './light.ts';
import type { Pen } from './pixels.ts';
import type { SceneFacts } from './scene.ts';
import { drawPost } from './sign.ts';
import { emptySite, parkedAt, postAnother, type Site } from './site.ts';
import { drawStreet, kerbM } from './street.ts';
import { drawTree } from './tree.ts';
import { drawVehicle, passer } from './vehicle.ts';
import { shapeOf } from './vehicle-shape.ts';
import { aim, type Camera, type Point, type Spot, scaleAt, type View } from './view.ts';

/** Everything about a picture that is not pixels. */
export interface Composition {
  site: Site;
  camera: Camera;
  difficulty: Difficulty;
}

/** The same street, vehicle and rule for both looks; only the camera and what is in its way differ. */
export function compose(facts: SceneFacts): Composition {
  const chance = seededRandom(1, facts.seed);
  const difficulty = difficultyOf(facts);
  const site = emptySite(
    {
      bodyType: facts.bodyType,
      colour: facts.colour,
      make: facts.make,
      plate: facts.plate,
      plateState: facts.plateState,
      at: parkedAt,
      turn: 0,
      front: false,
      plateCover: 'none',
    },
    chance,
    facts.hour,
    facts.remedy !== 'dismiss',
  );
  setUp(site, facts.code);
  if (facts.reason === 'two-codes-possible') {
    const others = commonSigns.filter(([code]) => code !== facts.code);
    postAnother(site, others[Math.floor(random(chance) * others.length)]![1]);
    if (random(chance) < 0.5) site.signs.reverse();
  }
  const { vehicle } = site;
  if (vehicle.plateCover === 'none') vehicle.plateCover = difficulty.plateCover;
  if (difficulty.tarpaulin) {
    // A cover would hide what decides, and none fits a truck.
    if (site.evidence.kind === 'glass' || shapeOf(vehicle.bodyType).box !== undefined) vehicle.loaded = true;
    else vehicle.tarpaulin = true;
  }
  return { site, camera: cameraFor(site, difficulty, facts.look), difficulty };
}

function cameraFor(site: Site, difficulty: Difficulty, look: 1 | 2): Camera {
  const { vehicle, evidence } = site;
  const [x, , z] = vehicle.at;
  const tall = shapeOf(vehicle.bodyType).box !== undefined;
  const from: Point =
    look === 1 ? [Math.min(-2.7, x - 1.5), tall ? 3.9 : 3.4, -0.2] : [Math.max(1.5, x + 2.2), tall ? 3.5 : 3, 0.7];
  const target: Point = [x, 0.95, z];
  const spot: Spot = look === 1 ? [400, 462] : [470, 455];
  const camera = aim(from, target, spot, look === 1 ? 960 : 1000, site.mirrored);
  if (difficulty.edge === undefined) return camera;
  const middle: Point = [evidence.at[0], evidence.at[1] + evidence.highM / 2, evidence.at[2]];
  // At the edge, whole or hardly at all.
  const halfPx = (evidence.wideM / 2) * scaleAt(camera, middle);
  const xPx = difficulty.edge === 'cut' ? 960 + 0.7 * halfPx : 945 - halfPx;
  return aim(from, middle, [site.mirrored ? 960 - xPx : xPx, evidence.kind === 'sign' ? 190 : 400], 930, site.mirrored);
}

/** Draws all but what is in the way. Takes its own random numbers, so that both looks show the same street. */
export function drawSite(pen: Pen, { site, camera }: Composition, facts: SceneFacts): View {
  const view: View = { pen, camera, light: lightAt(facts.hour) };
  const chance = seededRandom(2, facts.seed);
  drawStreet(view, chance, facts.house, site.crossing);
  for (const paint of site.painted) paint(view);
  const things = [...site.things, ...surroundings(site, chance)];
  const { vehicle, postZ } = site;
  things.push({ z: vehicle.at[2], draw: () => drawVehicle(view, vehicle, chance) });
  things.push({ z: postZ, draw: () => drawPost(view, [0.55, kerbM, postZ], site.signs, facts.street || undefined) });
  for (const { draw } of things.sort((a, b) => b.z - a.z)) draw(view);
  return view;
}

function surroundings(site: Site, chance: Random): Site['things'] {
  const things: Site['things'] = [];
  const car = (at: Point, front: boolean) => {
    const vehicle = passer(chance, at, front);
    things.push({ z: at[2], draw: view => drawVehicle(view, vehicle, chance) });
  };
  if (site.across)
    for (let z = 12 + random(chance) * 3; z < 30; z += randomBetween(chance, 5.6, 9)) car([-8.3, 0, z], !site.mirrored);
  if (site.ahead) {
    const front = site.vehicle.at[2] + shapeOf(site.vehicle.bodyType).lengthM;
    for (let z = front + randomBetween(chance, 1, 1.8); z < 28; z += randomBetween(chance, 5.8, 8))
      car([-1.2, 0, z], site.mirrored);
  }
  for (const [x, step] of [
    [1.1, 9],
    [-10.6, 10],
  ] as const) {
    for (let z = 15 + random(chance) * 4; z < 38; z += step) {
      const foot: Point = [x, kerbM, z];
      const leaves = { word: chance.word };
      random(chance);
      things.push({ z, draw: view => drawTree(view, foot, 2.7, leaves) });
    }
  }
  return things;
}
