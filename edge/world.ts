import { random, seededRandom } from './random.ts';
import { type Area, loadStreets, type StreetMap } from './streets.ts';
import { loadTickets, type Tickets } from './tickets.ts';

/** The city that drones fly over, shared by all of them, with the areas' shares of the summonses. */
export interface World {
  map: StreetMap;
  tickets: Tickets;
  /** For each area of the map, how many rows of the sample are of its precinct. */
  weights: readonly number[];
}

export function loadWorld(): World {
  const map = loadStreets();
  const tickets = loadTickets();
  const rows = new Map<number, number>();
  for (const precinct of tickets.precinct) rows.set(precinct, (rows.get(precinct) ?? 0) + 1);
  return { map, tickets, weights: map.areas.map(({ precinct }) => rows.get(precinct) ?? 0) };
}

const goldenRatio = 0.6180339887498949;

/**
 * The area that drone number `index` patrols. Steps of the golden ratio over the areas' weights spread any number of
 * drones as the summonses are spread, and a drone keeps its area when others are added.
 */
export function patrolArea({ map, weights }: World, seed: number, index: number): Area {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const start = random(seededRandom(seed, 'areas'));
  let left = ((start + index * goldenRatio) % 1) * total;
  const chosen = weights.findIndex(weight => {
    left -= weight;
    return left < 0;
  });
  return map.areas[chosen]!;
}
