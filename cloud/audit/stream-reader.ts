import type { EventLog, PartitionEnds, StoredRecord } from '../../log/event-log.ts';
import { log8Of, sha256Of } from '../archive/manifest.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import { type ArchivedObject, type Damage, type Listing, listArchive } from './archive-listing.ts';
import type { ArchiveReader } from './archive-reader.ts';
import { type OffsetRange, readLog } from './log-reader.ts';

/** How one stream is read: its archived objects, and its records in the log behind them. */
export interface Reading {
  archived(objects: readonly ArchivedObject[], packs: ReadonlyMap<string, number>): Promise<Damage[]>;
  logged(record: StoredRecord, partition: number): void;
}

export interface StreamDeps {
  log: EventLog;
  objects: ObjectStore;
  reader: ArchiveReader;
  signal: AbortSignal;
  /** Also compare every object's SHA-256 with the manifest's. */
  verify: boolean;
}

export interface EarlierLog {
  stream: string;
  partition: number;
  /** First 8 hex digits of the SHA-256 of its id, as in the objects' names. */
  log8: string;
  /** The offset after its last archived record. */
  archivedTo: bigint;
}

/** Reads a stream's archive, then the log from the archive's end to the ends fixed before. */
export async function readStream(
  stream: string,
  partitions: readonly PartitionEnds[],
  reading: Reading,
  { log, objects, signal, reader, verify }: StreamDeps,
): Promise<Listing> {
  const listing = await listArchive(objects, stream, signal);
  const readObjects = async (added: readonly ArchivedObject[]) => {
    for (const object of added) {
      if (object.next !== undefined) continue;
      const footer = await reader.footerOf(object);
      Object.assign(object, { next: footer?.next, pack: footer?.pack });
    }
    listing.damaged.push(...(await reading.archived(added, listing.packs)));
    if (verify) listing.damaged.push(...(await compareDigests(objects, added, signal)));
  };
  await readObjects(listing.objects);
  for (const { partition, logId, end } of partitions) {
    const log8 = log8Of(logId);
    const from = archivedEnd(listing, partition, log8);
    if (from > end) {
      // An archiver that went on since looks the same until the log is asked again: it ends before its archive only if it lost records (L1).
      const now = (await log.ends(stream)).find(entry => entry.partition === partition && entry.logId === logId);
      if (now !== undefined && now.end < from) {
        listing.holes.push({ stream, partition, where: 'log', from: now.end, to: from });
      }
    }
    const visit = (record: StoredRecord) => reading.logged(record, partition);
    let lost = await readLog(log, { stream, partition, from, until: end }, visit, signal);
    if (lost.length > 0) {
      // An archiver may have gone on since the listing, and retention behind it.
      const known = new Set(listing.objects.map(({ key }) => key));
      const later = await listArchive(objects, stream, signal);
      const added = later.objects.filter(({ key }) => !known.has(key));
      for (const [key, bytes] of later.packs) listing.packs.set(key, bytes);
      await readObjects(added);
      listing.objects.push(...added);
      lost = behind(lost, archivedEnd(listing, partition, log8));
    }
    listing.holes.push(...lost.map(range => ({ stream, partition, where: 'log' as const, ...range })));
  }
  return listing;
}

async function compareDigests(
  objects: ObjectStore,
  archived: readonly ArchivedObject[],
  signal: AbortSignal,
): Promise<Damage[]> {
  const damaged: Damage[] = [];
  for (const { key, sha256 } of archived) {
    signal.throwIfAborted();
    if (sha256 !== undefined && sha256Of(await objects.get(key)) !== sha256) {
      damaged.push({ object: key, problem: 'its SHA-256 is not the one in its manifest entry' });
    }
  }
  return damaged;
}

/** Where the archive of one incarnation of the log ends; 0 where it holds nothing of it. */
function archivedEnd({ objects }: Listing, partition: number, log8: string): bigint {
  return objects
    .filter(object => object.partition === partition && object.log8 === log8)
    .reduce((end, { next }) => (next !== undefined && next > end ? next : end), 0n);
}

export function earlierThan(partitions: readonly PartitionEnds[], stream: string, listing: Listing): EarlierLog[] {
  return partitions.flatMap(({ partition, logId }) => {
    const names = listing.objects.filter(object => object.partition === partition).map(({ log8 }) => log8);
    return [...new Set(names)]
      .filter(log8 => log8 !== log8Of(logId))
      .map(log8 => ({ stream, partition, log8, archivedTo: archivedEnd(listing, partition, log8) }));
  });
}

/** What of the ranges lies at or behind an offset. */
function behind(ranges: readonly OffsetRange[], offset: bigint): OffsetRange[] {
  return ranges.filter(({ to }) => to > offset).map(({ from, to }) => ({ from: from > offset ? from : offset, to }));
}
