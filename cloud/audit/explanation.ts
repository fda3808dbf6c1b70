import { messageKinds } from '../../core/messages.ts';
import type { ArchivedObject, Damage, Hole } from './archive-listing.ts';
import type { ArchiveReader } from './archive-reader.ts';
import type { Gap } from './report.ts';
import type { Series, Sightings } from './sightings.ts';

export interface Evidence {
  sightings: Sightings;
  /** Objects by stream. */
  archived: ReadonlyMap<string, readonly ArchivedObject[]>;
  holes: readonly Hole[];
  damaged: readonly Damage[];
  reader: ArchiveReader;
}

interface Place {
  partition: number;
  offset: bigint;
  words: string;
}

/** Gaps whose neighbours are looked up; two queries each. */
const explainedMax = 100;

const streamOf = new Map(messageKinds.map(({ kind, stream }) => [kind, stream]));

/**
 * Completes `lastSeen` of the missing ranges: where the numbers before and after lie, and which objects or offsets are
 * gone between them. The order of a drone's messages holds in a partition, so what is missing was there.
 */
export async function explainGaps(gaps: readonly Gap[], evidence: Evidence): Promise<void> {
  for (const gap of gaps.filter(({ what }) => what === 'missing').slice(0, explainedMax)) {
    const before = gap.from > 1 ? await placeOf(gap, gap.from - 1, evidence) : undefined;
    const after = await placeOf(gap, gap.to + 1, evidence);
    const neighbours = [
      before && `${gap.from - 1} is in ${before.words}`,
      after && `${gap.to + 1} is in ${after.words}`,
    ].filter(part => part !== undefined);
    const causes = causesBetween(gap, before, after, evidence);
    gap.lastSeen = [gap.lastSeen, neighbours.join(', '), causes.join(', ')].filter(part => part !== '').join('; ');
  }
}

async function placeOf(series: Series, seq: number, evidence: Evidence): Promise<Place | undefined> {
  const { sightings, archived, reader } = evidence;
  const sighting = sightings.of(series);
  for (const { seqs, offsets, partition } of sighting.logRuns) {
    if (seq < seqs[0] || seq > seqs[1]) continue;
    const offset = seq === seqs[0] ? offsets[0] : offsets[1];
    return { partition, offset, words: `the log near offset ${offset}` };
  }
  if (!sighting.archived.has(seq)) return undefined;
  const objects = archived.get(streamOf.get(series.kind) ?? '') ?? [];
  const found = await reader.locate(objects, series, seq);
  const object = objects.find(({ key }) => key === found?.object);
  if (found === undefined || object === undefined) return undefined;
  return { partition: object.partition, offset: found.offset, words: `${found.object} at offset ${found.offset}` };
}

function causesBetween(
  { kind }: Gap,
  before: Place | undefined,
  after: Place | undefined,
  { archived, holes, damaged }: Evidence,
): string[] {
  const stream = streamOf.get(kind);
  const partition = before?.partition ?? after?.partition;
  const inBetween = (range: { partition: number; from: bigint; to: bigint | undefined }) =>
    (partition === undefined || range.partition === partition) &&
    (before === undefined || range.to === undefined || range.to > before.offset) &&
    (after === undefined || range.from < after.offset);
  const unreadable = new Set(damaged.map(({ object }) => object));
  return [
    ...holes.filter(hole => hole.stream === stream && inBetween(hole)).map(describeHole),
    ...(archived.get(stream ?? '') ?? [])
      .filter(object => unreadable.has(object.key) && inBetween({ ...object, to: object.next }))
      .map(({ key }) => `${key} cannot be read`),
  ];
}

/** A hole in words, for people. */
export function describeHole({ stream, partition, where, from, to, object }: Hole): string {
  const place = `the ${where} of ${stream} partition ${partition} lacks the offsets ${from} to ${to - 1n}`;
  return object === undefined ? place : `${place}: ${object} is gone`;
}
