/**
 * Makes streets.json.gz and tickets.json.gz: `node edge/data/prepare.ts FOLDER [OUT]`. README.md in this folder names the files
 * that FOLDER must hold. Deterministic: the same files give the same bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

type Point = readonly [lon: number, lat: number];
type Geometry =
  | { type: 'LineString'; coordinates: Point[] }
  | { type: 'MultiLineString'; coordinates: Point[][] }
  | { type: 'Polygon'; coordinates: Point[][] }
  | { type: 'MultiPolygon'; coordinates: Point[][][] };
interface Feature {
  geometry: Geometry;
  properties: Record<string, string | number>;
}

const [folder, out = import.meta.dirname] = process.argv.slice(2);
if (folder === undefined) throw new TypeError('Give the folder that holds the source files');
const countyOfBorough: Record<string, string> = {
  Manhattan: 'NY',
  Bronx: 'BX',
  Brooklyn: 'K',
  Queens: 'Q',
  'Staten Island': 'R',
};

const read = (name: string) => readFileSync(join(folder, name));
const features = (name: string) => (JSON.parse(read(name).toString()) as { features: Feature[] }).features;

function writeJson(name: string, value: unknown): void {
  const bytes = gzipSync(JSON.stringify(value), { level: 9 });
  writeFileSync(join(out, name), bytes);
  process.stdout.write(`${name}: ${bytes.length} bytes\n`);
}

// Precincts: the ring test of W. R. Franklin (PNPOLY), rings beside each other, so holes come out right.

interface Precinct {
  number: number;
  rings: Point[][];
  box: [west: number, south: number, east: number, north: number];
}

const precincts: Precinct[] = features('geo/precincts-77-before-2024.geojson').map(({ geometry, properties }) => {
  const rings = geometry.type === 'MultiPolygon' ? geometry.coordinates.flat() : (geometry.coordinates as Point[][]);
  const [lons, lats] = [rings.flat().map(([lon]) => lon), rings.flat().map(([, lat]) => lat)];
  return {
    number: Number(properties.precinct),
    rings,
    box: [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)],
  };
});

function precinctAt([lon, lat]: Point): number {
  for (const { number, rings, box } of precincts) {
    if (lon < box[0] || lat < box[1] || lon > box[2] || lat > box[3]) continue;
    let inside = false;
    for (const ring of rings) {
      for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
        const [xi, yi] = ring[i]!;
        const [xj, yj] = ring[j]!;
        if (yi > lat !== yj > lat && lon < ((xj - xi) * (lat - yi)) / (yj - yi) + xi) inside = !inside;
      }
    }
    if (inside) return number;
  }
  return 0;
}

// Streets: simplified lines, cut where they cross into another precinct.

const metresPerDegree = 111_195;
const lonScale = Math.cos((40.7 * Math.PI) / 180);
const toleranceM = 4;
const shortestM = 80;

function metres([lonA, latA]: Point, [lonB, latB]: Point): number {
  return Math.hypot((lonA - lonB) * lonScale, latA - latB) * metresPerDegree;
}

function metresOffLine([lon, lat]: Point, [lonA, latA]: Point, [lonB, latB]: Point): number {
  const [dx, dy] = [(lonB - lonA) * lonScale, latB - latA];
  const [px, py] = [(lon - lonA) * lonScale, lat - latA];
  const length2 = dx * dx + dy * dy;
  const along = length2 === 0 ? 0 : Math.max(0, Math.min(1, (px * dx + py * dy) / length2));
  return Math.hypot(px - along * dx, py - along * dy) * metresPerDegree;
}

/** Douglas and Peucker, 1973. */
function simplify(line: readonly Point[]): Point[] {
  if (line.length < 3) return [...line];
  let [farthest, distance] = [0, 0];
  for (let index = 1; index < line.length - 1; index++) {
    const off = metresOffLine(line[index]!, line[0]!, line.at(-1)!);
    if (off > distance) [farthest, distance] = [index, off];
  }
  if (distance <= toleranceM) return [line[0]!, line.at(-1)!];
  return [...simplify(line.slice(0, farthest + 1)).slice(0, -1), ...simplify(line.slice(farthest))];
}

function border(from: Point, to: Point): Point {
  const first = precinctAt(from);
  let [low, high] = [0, 1];
  const at = (share: number): Point => [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
  for (let step = 0; step < 16; step++) {
    const middle = (low + high) / 2;
    if (precinctAt(at(middle)) === first) low = middle;
    else high = middle;
  }
  return at(low);
}

function byPrecinct(line: readonly Point[]): { precinct: number; points: Point[] }[] {
  const pieces: { precinct: number; points: Point[] }[] = [];
  let [points, precinct] = [[line[0]!], precinctAt(line[0]!)];
  for (let index = 1; index < line.length; index++) {
    const next = precinctAt(line[index]!);
    if (next !== precinct) {
      points.push(border(line[index - 1]!, line[index]!));
      pieces.push({ precinct, points });
      [points, precinct] = [[border(line[index]!, line[index - 1]!)], next];
    }
    points.push(line[index]!);
  }
  return [...pieces, { precinct, points }];
}

interface Line {
  name: string;
  county: string;
  precinct: number;
  points: Point[];
}
const streets: Line[] = [];

function addStreet(name: string, county: string, { geometry }: Feature): void {
  const parts = (geometry.type === 'LineString' ? [geometry.coordinates] : geometry.coordinates) as Point[][];
  for (const part of parts) {
    for (const { precinct, points } of byPrecinct(simplify(part))) {
      const lengthM = points.slice(1).reduce((sum, point, index) => sum + metres(point, points[index]!), 0);
      if (precinct === 0 || lengthM < shortestM) continue;
      streets.push({ name, county, precinct, points });
    }
  }
}

for (const borough of ['Manhattan', 'Bronx', 'Brooklyn', 'Staten Island']) {
  for (const feature of features(`geo/streets-${borough.toLowerCase().replace(' ', '-')}.geojson`)) {
    if (String(feature.properties.highway).endsWith('_link')) continue;
    addStreet(String(feature.properties.name), countyOfBorough[borough]!, feature);
  }
}
for (const feature of features('geo/major-streets-citywide.geojson')) {
  if (feature.properties.borough !== 'Queens' || feature.properties.type !== 'Major Streets') continue;
  addStreet(String(feature.properties.name), 'Q', feature);
}

// Corners: a point where two streets of a precinct cross, or where one ends at another, so that drones can turn there.

const meetsWithinM = 30;
const cornersApartM = 15;

function cornersOn(from: Point, to: Point, others: readonly Line[]): Point[] {
  const lengthM = metres(from, to);
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const shares: number[] = [];
  const at = (share: number): Point => [from[0] + dx * share, from[1] + dy * share];
  for (const { points } of others) {
    for (let index = 1; index < points.length; index++) {
      const [a, b] = [points[index - 1]!, points[index]!];
      const [ex, ey] = [b[0] - a[0], b[1] - a[1]];
      const cross = dx * ey - dy * ex;
      if (cross === 0) continue;
      const share = ((a[0] - from[0]) * ey - (a[1] - from[1]) * ex) / cross;
      const other = ((a[0] - from[0]) * dy - (a[1] - from[1]) * dx) / cross;
      if (share > 0 && share < 1 && other >= 0 && other <= 1) shares.push(share);
    }
    for (const end of [points[0]!, points.at(-1)!]) {
      const share =
        ((end[0] - from[0]) * dx * lonScale ** 2 + (end[1] - from[1]) * dy) / (dx * dx * lonScale ** 2 + dy * dy);
      if (share > 0 && share < 1 && metres(end, at(share)) <= meetsWithinM) shares.push(share);
    }
  }
  const corners: Point[] = [];
  let lastM = 0;
  for (const share of shares.sort((a, b) => a - b)) {
    if (share * lengthM - lastM < cornersApartM || (1 - share) * lengthM < cornersApartM) continue;
    corners.push(at(share));
    lastM = share * lengthM;
  }
  return corners;
}

const names = [...new Set(streets.map(({ name }) => name))];
const nameIndex = new Map(names.map((name, index) => [name, index]));
const byNumber = Map.groupBy(streets, ({ precinct }) => precinct);
const lines = streets.map(street => {
  const others = byNumber.get(street.precinct)!.filter(other => other !== street);
  const points = street.points.flatMap((point, index) =>
    index === 0 ? [point] : [...cornersOn(street.points[index - 1]!, point, others), point],
  );
  const whole = points.map(([lon, lat]) => [Math.round(lon * 1e5), Math.round(lat * 1e5)] as const);
  const deltas = whole.flatMap(([x, y], index) => {
    const [px, py] = index === 0 ? [0, 0] : whole[index - 1]!;
    return [x - px, y - py];
  });
  return [nameIndex.get(street.name)!, street.county, street.precinct, deltas] as const;
});
writeJson('streets.json.gz', { names, lines });

// Tickets. `every` takes one row in so many: whole-year files in full or nearly, heads of sorted files (hand-written rows) rarely.

const ticketFiles: readonly { name: string; every: number }[] = [
  { name: 'pvi-fy2014-first10k.csv.gz', every: 20 },
  { name: 'pvi-fy2014-random-via-r.csv.gz', every: 1 },
  { name: 'pvi-fy2015-10k.csv.gz', every: 3 },
  { name: 'pvi-fy2015-random-via-r.csv.gz', every: 1 },
  { name: 'pvi-fy2016-first10k.csv.gz', every: 20 },
  { name: 'pvi-fy2016-random-via-r.csv.gz', every: 1 },
  { name: 'pvi-fy2017-10k.csv.gz', every: 3 },
  { name: 'pvi-fy2017-random-via-r.csv.gz', every: 1 },
  { name: 'pvi-fy2019-2k.csv.gz', every: 1 },
  { name: 'pvi-fy2022-first1k.csv.gz', every: 4 },
  { name: 'pvi-fy2023-24-no-plates.csv.gz', every: 4 },
];

interface Ticket {
  code: number;
  /** Whole days since 2000-01-01. */
  day: number;
  minute: number;
  county: string;
  precinct: number;
  plate: string;
  plateState: string;
  plateType: string;
  bodyType: string;
  colour: string;
  make: string;
  street: string;
  house: string;
}

function fields(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    (quoted?.replaceAll('""', '"') ?? plain ?? '').trim(),
  );
}

function dayOf(text: string): number | undefined {
  const us = /^(\d{1,2})\/(\d{1,2})\/(\d{2}|\d{4})$/.exec(text);
  if (us === null) return undefined;
  const year = Number(us[3]) + (us[3]!.length === 2 ? 2000 : 0);
  const day = (Date.UTC(year, Number(us[1]) - 1, Number(us[2])) - Date.UTC(2000, 0, 1)) / 86_400_000;
  return year >= 2013 && year <= 2024 ? day : undefined;
}

/** Minute of the day; undefined for a malformed time, and for 00mmP, which may be noon or midnight. */
function minuteOf(text: string): number | undefined {
  const match = /^(0\d|1[0-2])([0-5]\d)([AP])$/.exec(text);
  if (match === null || (match[1] === '00' && match[3] === 'P')) return undefined;
  return ((Number(match[1]) % 12) + (match[3] === 'P' ? 12 : 0)) * 60 + Number(match[2]);
}

function table(name: string): Record<string, string>[] {
  const [head, ...rows] = read(name).toString().trim().split(/\r?\n/);
  const columns = fields(head!);
  return rows.map(row => Object.fromEntries(fields(row).map((value, index) => [columns[index]!, value])));
}

const countyOfSpelling = new Map(
  table('codes/county-codes.csv').map(row => [row.violation_county!, countyOfBorough[row.borough!]]),
);
const countyOfPrecinct = new Map(
  table('geo/precinct-borough.csv').map(row => [Number(row.precinct), countyOfBorough[row.borough!]]),
);

const tickets: Ticket[] = [];
const seen = new Set<string>();
for (const { name, every } of ticketFiles) {
  const [head, ...rows] = gunzipSync(read(name)).toString('latin1').split(/\r?\n/);
  const columns = fields(head!);
  rows.forEach((row, index) => {
    if (index % every !== 0) return;
    const values = fields(row);
    if (values.length !== columns.length) return;
    const value = (column: string) => values[columns.indexOf(column)] ?? '';
    const known = (column: string, unknown: string) => (value(column) === unknown ? '' : value(column));
    const day = dayOf(value('Issue Date'));
    const minute = minuteOf(value('Violation Time'));
    const precinct = countyOfPrecinct.has(Number(value('Violation Precinct')))
      ? Number(value('Violation Precinct'))
      : 0;
    const county = countyOfSpelling.get(value('Violation County')) ?? countyOfPrecinct.get(precinct);
    const code = Number(value('Violation Code'));
    const summons = value('Summons Number');
    if (day === undefined || minute === undefined || county === undefined || code === 0 || seen.has(summons)) return;
    seen.add(summons);
    const plate = value('Plate ID');
    tickets.push({
      code,
      day,
      minute,
      county,
      precinct,
      plate: /^[A-Z0-9]{1,8}$/.test(plate) ? plate : '',
      plateState: known('Registration State', '99'),
      plateType: known('Plate Type', '999'),
      bodyType: value('Vehicle Body Type'),
      colour: value('Vehicle Color'),
      make: value('Vehicle Make'),
      street: value('Street Name'),
      house: value('House Number'),
    });
  });
}

const order = (a: Ticket, b: Ticket) =>
  a.county < b.county ? -1 : a.county > b.county ? 1 : a.minute - b.minute || a.day - b.day || a.code - b.code;
tickets.sort(order);
const column = <Name extends keyof Ticket>(name: Name) => [name, tickets.map(ticket => ticket[name])];
writeJson(
  'tickets.json.gz',
  Object.fromEntries((Object.keys(tickets[0]!) as (keyof Ticket)[]).map(name => column(name))),
);
process.stdout.write(`${lines.length} lines, ${lines.reduce((sum, line) => sum + line[3].length / 2, 0)} points; `);
process.stdout.write(`${tickets.length} tickets\n`);
