import { createHash } from 'node:crypto';
import type { ObjectStore } from '../archive/object-store.ts';
import type { OffsetRange } from './log-reader.ts';

/** Something that the archive should hold as it was, and does not. */
export interface Damage {
  object: string;
  problem: string;
}

/** One object that is there. */
export interface ArchivedObject {
  key: string;
  partition: number;
  /** First 8 hex digits of the SHA-256 of the log's id. */
  log8: string;
  from: bigint;
  /** What its manifest entry says; undefined for an object so new that it has none. */
  next: bigint | undefined;
  count: number | undefined;
}

export interface Hole extends OffsetRange {
  stream: string;
  partition: number;
  where: 'archive' | 'log';
  /** The missing object's name. */
  object?: string;
}

/** What is archived of one stream, by names and manifest alone. */
export interface Listing {
  objects: ArchivedObject[];
  holes: Hole[];
  damaged: Damage[];
}

interface Entry {
  key: string;
  object: string;
  partition: number;
  log8: string;
  from: bigint;
  next: bigint;
  count: number;
  digest: string;
  previous: string | undefined;
}

const objectName = /\/p(\d+)-([0-9a-f]{8})-(\d{20})\.parquet$/;
const entriesAtOnce = 16;

/** The first 8 hex digits of the SHA-256 of a log's id, as names in the archive have it (A2). */
export function log8Of(logId: string): string {
  return createHash('sha256').update(logId).digest('hex').slice(0, 8);
}

/**
 * Lists a stream. The manifest is listed before the objects, since an archiver writes the object first: every entry seen
 * has an object, or had one.
 */
export async function listArchive(objects: ObjectStore, stream: string, signal: AbortSignal): Promise<Listing> {
  const damaged: Damage[] = [];
  const entries = await readEntries(objects, stream, damaged, signal);
  const byObject = new Map(entries.map(entry => [entry.object, entry]));
  const present: ArchivedObject[] = [];
  const names = new Set<string>();
  for await (const { key } of objects.list(`archive/${stream}/`)) {
    const match = objectName.exec(key);
    if (match === null) continue;
    names.add(key);
    const entry = byObject.get(key);
    const [, partition, log8, from] = match;
    present.push({
      key,
      partition: Number(partition),
      log8: log8!,
      from: BigInt(from!),
      next: entry?.next,
      count: entry?.count,
    });
  }
  const holes: Hole[] = entries
    .filter(({ object }) => !names.has(object))
    .map(({ object, partition, from, next }) => ({ stream, partition, where: 'archive', from, to: next, object }));
  return { objects: present, holes: [...holes, ...brokenLinks(entries, stream)], damaged };
}

async function readEntries(
  objects: ObjectStore,
  stream: string,
  damaged: Damage[],
  signal: AbortSignal,
): Promise<Entry[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(`manifest/${stream}/`)) keys.push(key);
  const entries: Entry[] = [];
  for (let at = 0; at < keys.length; at += entriesAtOnce) {
    signal.throwIfAborted();
    await Promise.all(
      keys.slice(at, at + entriesAtOnce).map(async key => {
        try {
          entries.push(parseEntry(key, await objects.get(key)));
        } catch (error) {
          damaged.push({ object: key, problem: (error as Error).message });
        }
      }),
    );
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}

const entryName = /\/p(\d+)-([0-9a-f]{8})-(\d{20})\.json$/;

function parseEntry(key: string, bytes: Uint8Array): Entry {
  const match = entryName.exec(key);
  const { object, next, count, previous } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
  if (match === null || typeof object !== 'string') throw new Error('not a manifest entry');
  const [, partition, log8, from] = match;
  return {
    key,
    object,
    partition: Number(partition),
    log8: log8!,
    from: BigInt(from!),
    next: BigInt(next as string),
    count: Number(count),
    digest: createHash('sha256').update(bytes).digest('hex'),
    previous: typeof previous === 'string' ? previous : undefined,
  };
}

/** Places where an entry does not name the one before it: entries between them are gone too. */
function brokenLinks(entries: readonly Entry[], stream: string): Hole[] {
  const holes: Hole[] = [];
  const last = new Map<string, Entry>();
  for (const entry of entries) {
    const { partition, log8, from, previous } = entry;
    const before = last.get(`${partition}/${log8}`);
    if (previous !== before?.digest) {
      holes.push({ stream, partition, where: 'archive', from: before?.next ?? 0n, to: from });
    }
    last.set(`${partition}/${log8}`, entry);
  }
  return holes;
}
