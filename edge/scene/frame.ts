import { random, randomBetween, randomIndex, seededRandom } from '../random.ts';
import { lightAt } from './light.ts';
import { drawGrain, type Pen } from './pixels.ts';
import { drawStreet, kerbM } from './street.ts';
import { drawTree } from './tree.ts';
import { drawVehicle, passer } from './vehicle.ts';
import { aim, type Point, type View } from './view.ts';

/** Draws what a drone sees between violations: a street from above, its parked vehicles, and the sensor's grain. */
export function drawPatrol(pen: Pen, seed: string, grain: number): void {
  const chance = seededRandom(5, seed);
  const x = randomBetween(chance, -6, -3.2);
  const camera = aim([x, randomBetween(chance, 6, 8), -3], [x + 1.2, 0.5, 9], [480, 400], 820, random(chance) < 0.5);
  const view: View = { pen, camera, light: lightAt(7 + randomIndex(chance, 11)) };
  drawStreet(view, chance, undefined);
  const things: { z: number; draw: () => void }[] = [];
  for (const [lane, front] of [
    [-8.2, !camera.mirrored],
    [-1.2, camera.mirrored],
  ] as const) {
    for (let z = randomBetween(chance, 1, 5); z < 50; z += randomBetween(chance, 5.6, 9)) {
      const vehicle = passer(chance, [lane, 0, z], front);
      things.push({ z, draw: () => drawVehicle(view, vehicle, chance) });
    }
  }
  for (let z = 13; z < 50; z += 9) {
    const foot: Point = [1.1, kerbM, z];
    things.push({ z, draw: () => drawTree(view, foot, 2.7, chance) });
  }
  for (const { draw } of things.sort((a, b) => b.z - a.z)) draw();
  drawGrain(pen, chance, grain);
}
