import { type SeqRange, SeqRanges } from '../../core/seq-ranges.ts';
import { type Sighting, type Sightings, seriesKey } from './sightings.ts';

/** What a drone says of one kind within one epoch, as of the moment that the audit began. */
export interface Account {
  fleet: string;
  droneId: string;
  epoch: string;
  kind: string;
  /** Its own ledger, or where that cannot be read the `state` messages it sent. */
  basis: 'ledger' | 'state';
  made: number;
  refused: number;
  acknowledged: SeqRanges;
  /** In the outbox, without PUBACK. */
  waiting: SeqRanges;
}

/** Counts of messages. made = acknowledged + inFlight + lostAtDrone; what was refused for space got no number. */
export interface Sheet {
  made: number;
  refused: number;
  /** Made, and neither acknowledged nor in the outbox. */
  lostAtDrone: number;
  acknowledged: number;
  /** In the log only: the archive has not come so far. */
  inLog: number;
  archived: number;
  /** Deliveries after the first, in archive and log. */
  redelivered: number;
  rejected: number;
  inFlight: number;
  /** Acknowledged, and neither in archive or log nor rejected. */
  missing: number;
  /** Numbered after the audit began. */
  newer: number;
  /** Numbers that stand in the archive more than once without the redelivery flag. */
  doubled: number;
}

export interface Line extends Sheet {
  fleet: string;
  droneId: string;
  epoch: string;
  kind: string;
  basis: Account['basis'];
}

export interface Gap {
  what: 'missing' | 'lost';
  droneId: string;
  epoch: string;
  kind: string;
  /** First and last number, both included. */
  from: number;
  to: number;
  lastSeen: string;
}

export interface Judgement {
  lines: Line[];
  gaps: Gap[];
  /** Seen in archive or log, but no ledger and no `state` says what was made. */
  unjudged: { droneId: string; epoch: string; kind: string; seen: number }[];
}

/** Holds what drones say against what was found. */
export function judge(accounts: readonly Account[], sightings: Sightings): Judgement {
  const lines: Line[] = [];
  const gaps: Gap[] = [];
  const judged = new Set<string>();
  for (const account of accounts) {
    judged.add(seriesKey(account));
    const { line, missing, lost } = judgeOne(account, sightings.of(account));
    lines.push(line);
    gaps.push(...gapsOf(account, 'missing', missing, 'acknowledged'));
    gaps.push(...gapsOf(account, 'lost', lost, 'numbered by the drone, then neither acknowledged nor in its outbox'));
  }
  const unjudged = sightings
    .all()
    .filter(series => !judged.has(seriesKey(series)))
    .map(({ droneId, epoch, kind, archived, log }) => ({ droneId, epoch, kind, seen: union(archived, log).count }));
  return { lines, gaps, unjudged };
}

function judgeOne(account: Account, sighting: Sighting): { line: Line; missing: SeqRanges; lost: SeqRanges } {
  const { fleet, droneId, epoch, kind, basis, made, refused } = account;
  const everything = SeqRanges.from([[1, made]]);
  const acknowledged = clip(account.acknowledged, made);
  const inFlight = clip(account.waiting, made).minus(acknowledged);
  const lost = everything.minus(acknowledged).minus(inFlight);
  const stored = union(sighting.archived, sighting.log);
  const missing = acknowledged.minus(stored).minus(sighting.rejected);
  const line: Line = {
    fleet,
    droneId,
    epoch,
    kind,
    basis,
    made,
    refused,
    lostAtDrone: lost.count,
    acknowledged: acknowledged.count,
    inLog: clip(sighting.log.minus(sighting.archived), made).count,
    archived: clip(sighting.archived, made).count,
    redelivered: sighting.redelivered,
    rejected: clip(sighting.rejected, made).count,
    inFlight: inFlight.count,
    missing: missing.count,
    newer: stored.minus(everything).count,
    doubled: sighting.doubled,
  };
  return { line, missing, lost };
}

function gapsOf(series: Account, what: Gap['what'], { ranges }: SeqRanges, lastSeen: string): Gap[] {
  const { droneId, epoch, kind } = series;
  return ranges.map(([from, to]) => ({ what, droneId, epoch, kind, from, to, lastSeen }));
}

function union(a: SeqRanges, b: SeqRanges): SeqRanges {
  const both = SeqRanges.from(a.ranges);
  both.addAll(b.ranges);
  return both;
}

function clip(set: SeqRanges, made: number): SeqRanges {
  return SeqRanges.from(
    set.ranges.filter(([first]) => first <= made).map(([first, last]): SeqRange => [first, Math.min(last, made)]),
  );
}

/** The balance sheet of each kind, in the order of first appearance, and of all together. */
export function balance(lines: readonly Line[]): { kinds: Record<string, Sheet>; total: Sheet } {
  const kinds: Record<string, Sheet> = {};
  const total = emptySheet();
  for (const line of lines) {
    kinds[line.kind] ??= emptySheet();
    for (const name of sheetNames) {
      kinds[line.kind]![name] += line[name];
      total[name] += line[name];
    }
  }
  return { kinds, total };
}

/** The sheet's columns, in the order of the data path. */
export const sheetNames = [
  'made',
  'refused',
  'lostAtDrone',
  'acknowledged',
  'inLog',
  'archived',
  'redelivered',
  'rejected',
  'inFlight',
  'missing',
  'newer',
  'doubled',
] as const satisfies readonly (keyof Sheet)[];

function emptySheet(): Sheet {
  return Object.fromEntries(sheetNames.map(name => [name, 0])) as unknown as Sheet;
}
