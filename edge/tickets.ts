import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Random, randomIndex } from './random.ts';

/** Real summonses as columns, ascending by county and minute of the day. '' and precinct 0 mean not known. */
export interface Tickets {
  code: readonly number[];
  /** Days since 2000-01-01. */
  day: readonly number[];
  /** Local minute of the day. */
  minute: readonly number[];
  /** NY, K, Q, BX, R. */
  county: readonly string[];
  precinct: readonly number[];
  plate: readonly string[];
  plateState: readonly string[];
  plateType: readonly string[];
  bodyType: readonly string[];
  colour: readonly string[];
  make: readonly string[];
  street: readonly string[];
  house: readonly string[];
}

/** Fewest rows that a draw chooses from; fewer in that hour, and the hours beside it join. */
const drawMin = 20;

/** Reads the committed sample; see data/README.md for where it comes from. About 10 ms. */
export function loadTickets(): Tickets {
  const file = readFileSync(new URL('./data/tickets.json.gz', import.meta.url));
  return JSON.parse(gunzipSync(file).toString()) as Tickets;
}

/** The index of a row of that county and hour of the local day, each row as likely as the others. */
export function drawTicket(tickets: Tickets, random: Random, county: string, hour: number): number {
  for (let widen = 0; ; widen++) {
    const first = firstRow(tickets, county, (hour - widen) * 60);
    const end = firstRow(tickets, county, (hour + widen + 1) * 60);
    if (end - first >= drawMin || widen > 24) return Math.min(first + randomIndex(random, end - first), end - 1);
  }
}

/** Index of the first row of `county` at that minute or later, by halving. */
function firstRow({ county: counties, minute: minutes }: Tickets, county: string, minute: number): number {
  let low = 0;
  let high = counties.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const [at, atMinute] = [counties[middle]!, minutes[middle]!];
    if (at < county || (at === county && atMinute < minute)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const zone = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/New_York', hour: '2-digit', hourCycle: 'h23' });
let hourCached = { utcHour: Number.NaN, local: 0 };

/** Hour of the day in New York, 0 to 23. The zone's offset is whole hours, so one conversion serves an hour. */
export function localHour(timeMs: number): number {
  const utcHour = Math.floor(timeMs / 3_600_000);
  if (hourCached.utcHour !== utcHour) hourCached = { utcHour, local: Number(zone.format(timeMs)) };
  return hourCached.local;
}
