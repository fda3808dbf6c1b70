import { type LedgerEntry, readLedgers } from '../../core/ledger.ts';
import { messageKinds } from '../../core/messages.ts';
import type { EventLog, PartitionEnds, StoredRecord } from '../../log/event-log.ts';
import { log8Of, sha256Of } from '../archive/manifest.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import { type ArchivedObject, type Damage, type Hole, type Listing, listArchive } from './archive-listing.ts';
import { type ArchiveReader, openArchiveReader } from './archive-reader.ts';
import { claimsIn, DeviceStates } from './device-states.ts';
import { explainGaps } from './explanation.ts';
import { identityOf, type OffsetRange, readLog } from './log-reader.ts';
import { Rejections, rejectionIn, type Unreadable } from './rejections.ts';
import { type Account, balance, type Gap, type Judgement, judge, type Line, type Sheet } from './report.ts';
import { Sightings } from './sightings.ts';

export interface AuditReport {
  /** True when nothing is missing, lost, doubled, damaged or cannot be read. */
  ok: boolean;
  total: Sheet;
  kinds: Record<string, Sheet>;
  drones: Line[];
  gaps: Gap[];
  /** Offsets that archive or log should hold and do not. */
  holes: Hole[];
  /** Objects and ledgers that are there and cannot be read, or hold something else than the manifest says. */
  damaged: Damage[];
  /** Rejected messages whose number could not be read: they may explain gaps of that drone, and prove nothing (P2). */
  unreadable: Unreadable[];
  /** Drones without a readable ledger, judged by the `state` messages they sent. */
  judgedByState: string[];
  unjudged: Judgement['unjudged'];
  /** Logs that the present one replaced (L1): what they held behind the archived part is gone, and nobody knows how much. */
  earlierLogs: EarlierLog[];
}

export interface EarlierLog {
  stream: string;
  partition: number;
  /** First 8 hex digits of the SHA-256 of its id, as in the objects' names. */
  log8: string;
  /** The offset after its last archived record. */
  archivedTo: bigint;
}

export interface AuditDeps {
  /** Where the ledgers are. */
  dataDir: string;
  log: EventLog;
  objects: ObjectStore;
  signal: AbortSignal;
  /** Also read every object whole and compare its SHA-256 with the manifest's. */
  verify?: boolean;
  /** Hears of every step, in words. */
  onProgress?: (step: string) => void;
}

/** How one stream is read: its archived objects, and its records in the log behind them. */
interface Reading {
  archived(reader: ArchiveReader, objects: readonly ArchivedObject[]): Promise<Damage[]>;
  logged(record: StoredRecord, partition: number): void;
}

const numberedStreams = [...new Set(messageKinds.filter(kind => kind.numbered).map(kind => kind.stream))];

/**
 * Compares what the drones say with what was stored, on a live system or a resting one (P1): ledgers and `state` messages
 * first, then the log's ends, then archive and log up to those ends. Reads only. Rejects with the log's or the store's errors, or when aborted.
 */
export async function audit(deps: AuditDeps): Promise<AuditReport> {
  const { dataDir, log, objects, signal, onProgress = () => {} } = deps;
  const damaged: Damage[] = [];
  onProgress('reading the ledgers');
  const ledgers = readLedgers(dataDir, (path, error) => damaged.push({ object: path, problem: error.message }));

  const sightings = new Sightings();
  const rejections = new Rejections(sightings);
  const states = new DeviceStates();
  const addLogged = (record: StoredRecord, partition: number) => {
    const identity = identityOf(record);
    if (identity === undefined) return;
    sightings.addLogged(identity.series, identity.seq, { partition, offset: record.offset });
  };
  const readings: Record<string, Reading> = {
    ...Object.fromEntries(
      numberedStreams.map(stream => [
        stream,
        {
          archived: (reader, from) => reader.runs(from, run => sightings.addArchived(run)),
          logged: addLogged,
        } satisfies Reading,
      ]),
    ),
    state: {
      archived: (reader, from) => reader.states(from, claim => states.add(claim)),
      logged: record => {
        for (const claim of claimsIn(record)) states.add(claim);
      },
    },
    rejected: {
      archived: (reader, from) => reader.rejected(from, run => rejections.add(run)),
      logged: record => rejections.add(rejectionIn(record)),
    },
  };

  const reader = await openArchiveReader(objects, signal);
  try {
    const holes: Hole[] = [];
    const earlierLogs: EarlierLog[] = [];
    const archived = new Map<string, readonly ArchivedObject[]>();
    const readUpTo = async (stream: string, ends: readonly PartitionEnds[]) => {
      onProgress(`reading ${stream}`);
      const found = await readStream(stream, ends, readings[stream]!, { ...deps, reader });
      archived.set(stream, found.objects);
      holes.push(...found.holes);
      earlierLogs.push(...earlierThan(ends, stream, found));
      damaged.push(...found.damaged);
    };
    // What a state calls acknowledged was in the log before it: the other ends are taken when no state is read any more.
    await readUpTo('state', await log.ends('state'));
    const ends = new Map<string, readonly PartitionEnds[]>();
    for (const stream of [...numberedStreams, 'rejected']) ends.set(stream, await log.ends(stream));
    for (const [stream, partitions] of ends) await readUpTo(stream, partitions);

    const epochs = new Set(ledgers.map(({ droneId, epoch }) => `${droneId}/${epoch}`));
    const devices = states.accounts(({ droneId, epoch }) => epochs.has(`${droneId}/${epoch}`));
    const { lines, gaps, unjudged } = judge([...ledgers.map(accountOf), ...devices], sightings);
    onProgress('looking where the gaps are');
    await explainGaps(gaps, { sightings, archived, holes, damaged, reader });
    const { kinds, total } = balance(lines);
    return {
      // An audit that found nothing to compare proves nothing.
      ok: gaps.length + holes.length + damaged.length + total.doubled === 0 && lines.length + unjudged.length > 0,
      total,
      kinds,
      drones: lines,
      gaps,
      holes,
      damaged,
      unreadable: rejections.unreadable(),
      judgedByState: [...new Set(devices.map(({ droneId }) => droneId))],
      unjudged,
      earlierLogs,
    };
  } finally {
    await reader.close();
  }
}

function accountOf(entry: LedgerEntry): Account {
  return { ...entry, basis: 'ledger' };
}

/** Reads a stream's archive, then the log from the archive's end to the ends fixed before. */
async function readStream(
  stream: string,
  partitions: readonly PartitionEnds[],
  reading: Reading,
  { log, objects, signal, reader, verify = false }: AuditDeps & { reader: ArchiveReader },
): Promise<Listing> {
  const listing = await listArchive(objects, stream, signal);
  const readObjects = async (added: readonly ArchivedObject[]) => {
    for (const object of added) object.next ??= await reader.nextOf(object);
    listing.damaged.push(...(await reading.archived(reader, added)));
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
      const added = (await listArchive(objects, stream, signal)).objects.filter(({ key }) => !known.has(key));
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

function earlierThan(partitions: readonly PartitionEnds[], stream: string, listing: Listing): EarlierLog[] {
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
