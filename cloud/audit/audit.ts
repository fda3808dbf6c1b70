import { randomInt } from 'node:crypto';
import { type LedgerEntry, readLedgers, readPictureLedgers } from '../../core/ledger.ts';
import { messageKinds } from '../../core/messages.ts';
import type { EventLog, PartitionEnds } from '../../log/event-log.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import type { ArchivedObject, Damage, Hole, Listing } from './archive-listing.ts';
import { createArchiveReader } from './archive-reader.ts';
import { claimsIn, DeviceStates, stateIn } from './device-states.ts';
import { type Engine, openEngine } from './engine.ts';
import { explainGaps } from './explanation.ts';
import { messageOf } from './log-reader.ts';
import type { PictureReport } from './picture-report.ts';
import { pictureKinds } from './picture-tables.ts';
import { PictureAudit } from './pictures.ts';
import { Rejections, rejectionIn, type Unreadable } from './rejections.ts';
import { type Account, balance, type Gap, type Judgement, judge, type Line, type Sheet } from './report.ts';
import { Sightings } from './sightings.ts';
import { type EarlierLog, earlierThan, type Reading, readStream } from './stream-reader.ts';

export interface AuditReport {
  /** True when no message or picture is missing, lost, doubled, damaged or cannot be read. */
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
  /** Every image and frame that a message names. */
  pictures: PictureReport;
}

export interface AuditDeps {
  /** Where the ledgers are. */
  dataDir: string;
  log: EventLog;
  objects: ObjectStore;
  signal: AbortSignal;
  /** Also read every object and pack whole and compare its SHA-256 with the manifest's. */
  verify?: boolean;
  /** How many archived pictures are hashed, default 100; `seed` chooses which. */
  sample?: number | 'all';
  seed?: number;
  /** Hears of every step, in words. */
  onProgress?: (step: string) => void;
}

const numberedStreams = [...new Set(messageKinds.filter(kind => kind.numbered).map(kind => kind.stream))];
const pictureStreams = pictureKinds.map(({ stream }) => stream);
const sampledByDefault = 100;
export const seedMax = 1_000_000_000;

/**
 * Compares what the drones say with what was stored, on a live system or a resting one (P1): ledgers and `state` messages
 * first, then the log's ends, then archive and log up to those ends. Reads only. Rejects with the log's or the store's errors, or when aborted.
 */
export async function audit(deps: AuditDeps): Promise<AuditReport> {
  const engine = await openEngine(deps.objects, deps.signal);
  try {
    return await auditWith(engine, deps);
  } finally {
    await engine.close();
  }
}

async function auditWith(engine: Engine, deps: AuditDeps): Promise<AuditReport> {
  const { dataDir, log, objects, signal, verify = false, onProgress = () => {} } = deps;
  const { sample: size = sampledByDefault, seed = randomInt(seedMax) } = deps;
  const reader = createArchiveReader(engine);
  const sightings = new Sightings();
  const rejections = new Rejections(sightings);
  const states = new DeviceStates();
  const pictures = await PictureAudit.open(engine);

  const damaged: Damage[] = [];
  onProgress('reading the ledgers');
  const ledgers = readLedgers(dataDir, (path, error) => damaged.push({ object: path, problem: error.message }));
  const counts = readPictureLedgers(
    dataDir,
    picture => pictures.tables.addWaiting(picture),
    () => {}, // named by the reading before
  );
  pictures.addLedgers(ledgers);

  const holes: Hole[] = [];
  const earlierLogs: EarlierLog[] = [];
  const listings = new Map<string, Listing>();
  const readings = readingsOf({ reader, sightings, rejections, states, pictures });
  const readUpTo = async (stream: string, ends: readonly PartitionEnds[]) => {
    onProgress(`reading ${stream}`);
    const found = await readStream(stream, ends, readings[stream]!, { log, objects, reader, signal, verify });
    listings.set(stream, found);
    holes.push(...found.holes);
    earlierLogs.push(...earlierThan(ends, stream, found));
    damaged.push(...found.damaged);
  };
  // What a state calls acknowledged was in the log before it: the other ends are taken when no state is read any more. An
  // image was in the log before the violation that names it (D4): ends of pictures are taken after those of messages.
  await readUpTo('state', await log.ends('state'));
  const ends = new Map<string, readonly PartitionEnds[]>();
  for (const stream of [...numberedStreams, ...pictureStreams, 'rejected']) ends.set(stream, await log.ends(stream));
  for (const [stream, partitions] of ends) await readUpTo(stream, partitions);

  const epochs = new Set(ledgers.map(({ droneId, epoch }) => `${droneId}/${epoch}`));
  const hasLedger = ({ droneId, epoch }: { droneId: string; epoch: string }) => epochs.has(`${droneId}/${epoch}`);
  const devices = states.accounts(hasLedger);
  const { lines, gaps, unjudged } = judge([...ledgers.map(accountOf), ...devices], sightings);
  onProgress('looking where the gaps are');
  const archived = new Map([...listings].map(([stream, listing]) => [stream, listing.objects]));
  await explainGaps(gaps, { sightings, archived, holes, damaged, reader });
  const pictureReport = await pictures.finish({
    objects,
    listings,
    holes,
    damaged,
    counts,
    refusedByDevices: states.refusedUnnumbered(hasLedger),
    sample: { size, seed },
    verify,
    signal,
    onProgress,
  });
  const { kinds, total } = balance(lines);
  const faults = gaps.length + holes.length + damaged.length + total.doubled;
  return {
    // An audit that found nothing to compare proves nothing.
    ok: faults === 0 && pictureReport.ok && lines.length + unjudged.length > 0,
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
    pictures: pictureReport,
  };
}

interface Readers {
  reader: ReturnType<typeof createArchiveReader>;
  sightings: Sightings;
  rejections: Rejections;
  states: DeviceStates;
  pictures: PictureAudit;
}

/** How each stream is read. */
function readingsOf({ reader, sightings, rejections, states, pictures }: Readers): Record<string, Reading> {
  const { tables } = pictures;
  const numbered = (stream: string): Reading => {
    const namings = pictureKinds.filter(({ namedBy }) =>
      messageKinds.some(kind => kind.kind === namedBy && kind.stream === stream),
    );
    return {
      async archived(objects) {
        const damaged = await reader.runs(objects, run => sightings.addArchived(run));
        for (const kind of namings) damaged.push(...(await tables.addNamings(kind, readable(objects, damaged))));
        return damaged;
      },
      logged(record, partition) {
        const found = messageOf(record);
        if (found === undefined) return;
        const { series, seq, message } = found;
        sightings.addLogged(series, seq, { partition, offset: record.offset });
        for (const kind of namings) if (kind.namedBy === series.kind) tables.addNaming(kind, record, message);
      },
    };
  };
  return {
    ...Object.fromEntries(numberedStreams.map(stream => [stream, numbered(stream)])),
    ...Object.fromEntries(
      pictureKinds.map(kind => [
        kind.stream,
        {
          archived: (objects, packs) => tables.addIndexes(kind, objects, packs),
          logged: (record, partition) => pictures.addLogged(kind, record, partition),
        } satisfies Reading,
      ]),
    ),
    state: {
      async archived(objects) {
        const damaged = await reader.states(objects, claim => states.add(claim));
        return [...damaged, ...(await tables.addStates(readable(objects, damaged)))];
      },
      logged(record) {
        const message = stateIn(record);
        for (const claim of claimsIn(record, message)) states.add(claim);
        tables.addState(record, message);
      },
    },
    rejected: {
      async archived(objects) {
        const damaged = await reader.rejected(objects, run => rejections.add(run));
        return [...damaged, ...(await tables.addRejections(readable(objects, damaged)))];
      },
      logged(record) {
        rejections.add(rejectionIn(record));
        tables.addRejected(record);
      },
    },
  };
}

/** What is damaged is named once. */
function readable(objects: readonly ArchivedObject[], damaged: readonly Damage[]): ArchivedObject[] {
  const unreadable = new Set(damaged.map(({ object }) => object));
  return objects.filter(({ key }) => !unreadable.has(key));
}

function accountOf(entry: LedgerEntry): Account {
  return { ...entry, basis: 'ledger' };
}
