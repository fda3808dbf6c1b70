import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** Street lines as flat arrays. A point's number is its index in `lat` and `lon`; the points of a line follow each other. */
export interface StreetMap {
  /** WGS 84. */
  lat: Float64Array;
  lon: Float64Array;
  /** The number of the line on which a point lies. */
  lineOf: Int32Array;
  /** A line's name. */
  names: readonly string[];
  /** One area a police precinct, ascending by number. */
  areas: readonly Area[];
}

/** What one drone patrols: the streets of one precinct. */
export interface Area {
  precinct: number;
  /** As summonses write it: NY, K, Q, BX, R. */
  county: string;
  /** The first points of segments, each of which ends at the next point. */
  segments: Int32Array;
}

type Line = [name: number, county: string, precinct: number, deltas: number[]];

/** Reads the committed set of streets; see data/README.md for where it comes from. About 10 ms. */
export function loadStreets(): StreetMap {
  const file = readFileSync(new URL('./data/streets.json.gz', import.meta.url));
  const { names, lines } = JSON.parse(gunzipSync(file).toString()) as { names: string[]; lines: Line[] };
  const points = lines.reduce((sum, line) => sum + line[3].length / 2, 0);
  const lat = new Float64Array(points);
  const lon = new Float64Array(points);
  const lineOf = new Int32Array(points);
  const segments = new Map<number, { county: string; first: number[] }>();

  let point = 0;
  lines.forEach(([, county, precinct, deltas], line) => {
    const area = segments.get(precinct) ?? { county, first: [] };
    segments.set(precinct, area);
    let [x, y] = [0, 0];
    for (let index = 0; index < deltas.length; index += 2) {
      x += deltas[index]!;
      y += deltas[index + 1]!;
      lon[point] = x / 1e5;
      lat[point] = y / 1e5;
      lineOf[point] = line;
      if (index > 0) area.first.push(point - 1);
      point++;
    }
  });
  const areas = [...segments]
    .sort(([a], [b]) => a - b)
    .map(([precinct, { county, first }]) => ({ precinct, county, segments: Int32Array.from(first) }));
  return { lat, lon, lineOf, names: lines.map(([name]) => names[name]!), areas };
}

const metresPerDegree = 111_195;
const lonScale = Math.cos((40.7 * Math.PI) / 180);

/** East and north of `from`, in metres, on a plane that is right to a few parts in a thousand within the city. */
export function offsetM(
  from: { lat: number; lon: number },
  to: { lat: number; lon: number },
): { eastM: number; northM: number } {
  return {
    eastM: (to.lon - from.lon) * lonScale * metresPerDegree,
    northM: (to.lat - from.lat) * metresPerDegree,
  };
}

/** Metres between a place and the segment that begins at the point `first`. */
export function metresToSegment({ lat, lon }: StreetMap, first: number, place: { lat: number; lon: number }): number {
  const begin = { lat: lat[first]!, lon: lon[first]! };
  const along = offsetM(begin, { lat: lat[first + 1]!, lon: lon[first + 1]! });
  const off = offsetM(begin, place);
  const lengthM2 = along.eastM ** 2 + along.northM ** 2;
  const dot = off.eastM * along.eastM + off.northM * along.northM;
  const share = lengthM2 === 0 ? 0 : Math.max(0, Math.min(1, dot / lengthM2));
  return Math.hypot(off.eastM - share * along.eastM, off.northM - share * along.northM);
}
