import { type Entry, log8Of, type PackRef, parseEntry, sha256Of } from '../archive/manifest.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import type { OffsetRange } from './log-reader.ts';

/** Something that is there and is not what it should be. */
export interface Damage {
  object: string;
  problem: string;
  /** Of a damaged pack: the object that is its index. */
  index?: string;
}

/** One object of the archive that is there. */
export interface ArchivedObject {
  key: string;
  partition: number;
  /** First 8 hex digits of the SHA-256 of the log's id. */
  log8: string;
  from: bigint;
  /** The offset after its last record, by its manifest entry; an object so new that it has none is asked itself. */
  next: bigint | undefined;
  /** What its manifest entry says of the whole object. */
  sha256: string | undefined;
  /** The pack whose index its rows are, from the same source. */
  pack: PackRef | undefined;
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
  /** The packs that are there, with their bytes. */
  packs: Map<string, number>;
}

interface ListedEntry extends Entry {
  key: string;
  log8: string;
  /** SHA-256 of the entry itself, by which the next one names it. */
  own: string;
}

const objectName = /\/p(\d+)-([0-9a-f]{8})-(\d{20})\.parquet$/;
const entriesAtOnce = 16;

/**
 * Lists a stream. The manifest is listed before the objects and these before the packs, since an archiver writes a pack, then its
 * object, then the entry: every entry seen has an object, or had one, and every object its pack.
 */
export async function listArchive(objects: ObjectStore, stream: string, signal: AbortSignal): Promise<Listing> {
  const damaged: Damage[] = [];
  const entries = await readEntries(objects, stream, damaged, signal);
  const byObject = new Map(entries.map(entry => [entry.object, entry]));
  const present = new Map<string, ArchivedObject>();
  for await (const { key, bytes } of objects.list(`archive/${stream}/`)) {
    const [, partition, log8, from] = objectName.exec(key) ?? [];
    if (partition === undefined) continue;
    const entry = byObject.get(key);
    present.set(key, {
      key,
      partition: Number(partition),
      log8: log8!,
      from: BigInt(from!),
      next: entry?.next,
      sha256: entry?.sha256,
      pack: entry?.pack,
    });
    if (entry !== undefined && entry.bytes !== bytes) {
      damaged.push({ object: key, problem: `it has ${bytes} bytes, and its manifest entry says ${entry.bytes}` });
    }
  }
  const packs = new Map<string, number>();
  for await (const { key, bytes } of objects.list(`pack/${stream}/`)) packs.set(key, bytes);
  damaged.push(...[...present.values()].flatMap(object => packDamage(object, packs)));
  const holes: Hole[] = entries
    .filter(({ object }) => !present.has(object))
    .map(({ object, partition, from, next }) => ({ stream, partition, where: 'archive', from, to: next, object }));
  const listing: Listing = { objects: [...present.values()], holes, damaged, packs };
  checkChain(entries, stream, listing);
  return listing;
}

function packDamage({ key, pack }: ArchivedObject, packs: ReadonlyMap<string, number>): Damage[] {
  if (pack === undefined) return [];
  const bytes = packs.get(pack.key);
  if (bytes === pack.bytes) return [];
  const problem =
    bytes === undefined ? 'it is gone' : `it has ${bytes} bytes, and its manifest entry says ${pack.bytes}`;
  return [{ object: pack.key, problem, index: key }];
}

async function readEntries(
  objects: ObjectStore,
  stream: string,
  damaged: Damage[],
  signal: AbortSignal,
): Promise<ListedEntry[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(`manifest/${stream}/`)) keys.push(key);
  const entries: ListedEntry[] = [];
  for (let at = 0; at < keys.length; at += entriesAtOnce) {
    signal.throwIfAborted();
    await Promise.all(
      keys.slice(at, at + entriesAtOnce).map(async key => {
        try {
          const bytes = await objects.get(key);
          const entry = parseEntry(key, bytes);
          entries.push({ ...entry, key, log8: log8Of(entry.logId), own: sha256Of(bytes) });
        } catch (error) {
          damaged.push({ object: key, problem: (error as Error).message });
        }
      }),
    );
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Where an entry does not name the one before it, something between them is gone, object and entry, or was changed. */
function checkChain(entries: readonly ListedEntry[], stream: string, { objects, holes, damaged }: Listing): void {
  const last = new Map<string, ListedEntry>();
  for (const entry of entries) {
    const { key, partition, log8, from, previous } = entry;
    const before = last.get(`${partition}/${log8}`);
    last.set(`${partition}/${log8}`, entry);
    if (previous === before?.own) continue;
    const begin = before?.next ?? 0n;
    const known = objects.some(
      object => object.partition === partition && object.log8 === log8 && object.from >= begin && object.from < from,
    );
    if (known || begin === from) damaged.push({ object: key, problem: 'it does not name the entry before it' });
    else holes.push({ stream, partition, where: 'archive', from: begin, to: from });
  }
}
