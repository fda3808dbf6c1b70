import { hasCode } from '../../core/errors.ts';
import { type Entry, entryKey, parseEntry } from './manifest.ts';
import type { ObjectStore } from './object-store.ts';

/** Where the archive of a partition's present log stands: every run that begins below `next` is committed. */
export interface Committed {
  partition: number;
  log8: string;
  next: bigint;
}

interface RunPacks {
  /** What pack and index have in common: `dt=.../p{n}-{log8}-{from}`. */
  run: string;
  dayEndMs: number;
  partition: number;
  log8: string;
  from: bigint;
  keys: string[];
}

const packName = /^pack\/[^/]+\/(dt=(\d{4}-\d\d-\d\d)\/p(\d+)-([0-9a-f]{8})-(\d{20}))-[0-9a-f]{16}\.pack$/;
const indexName = /^archive\/[^/]+\/(dt=.*)\.parquet$/;
const dayMs = 24 * 3600 * 1000;

/**
 * Removes the packs of a stream that no index names (A3), and gives their keys: those of runs that begin below what is
 * committed, a day after their day has ended. In doubt a pack stays: where an entry cannot be read or the pack that it names is gone, and all
 * packs of another log. Lists packs and indexes side by side and holds neither.
 */
export async function sweepPacks(
  objects: ObjectStore,
  stream: string,
  { committed, nowMs, signal }: { committed: readonly Committed[]; nowMs: number; signal: AbortSignal },
): Promise<string[]> {
  const removed: string[] = [];
  const indexes = indexesOf(objects, stream);
  let index = await indexes.next();
  for await (const packs of runsOf(objects, stream)) {
    signal.throwIfAborted();
    const { run, dayEndMs, partition, log8, from, keys } = packs;
    while (!index.done && index.value < run) index = await indexes.next();
    const isCommitted = committed.some(
      place => place.partition === partition && place.log8 === log8 && from < place.next,
    );
    if (!isCommitted || nowMs <= dayEndMs + dayMs) continue;
    const hasIndex = index.value === run;
    if (hasIndex && keys.length === 1) continue;
    const entry = await entryOf(objects, entryKey({ stream, partition, log8, from }));
    for (const key of keys) {
      if (!isGarbage(key, packs, hasIndex, entry)) continue;
      await objects.remove(key);
      removed.push(key);
    }
  }
  return removed;
}

function isGarbage(key: string, { keys }: RunPacks, hasIndex: boolean, entry: Entry | 'none' | 'damaged'): boolean {
  if (entry === 'none') return !hasIndex;
  if (entry === 'damaged' || entry.pack === undefined) return false;
  return entry.pack.key !== key && keys.includes(entry.pack.key);
}

/** What the footer says stands in the entry too, which every index below the committed position has. */
async function entryOf(objects: ObjectStore, key: string): Promise<Entry | 'none' | 'damaged'> {
  try {
    return parseEntry(key, await objects.get(key));
  } catch (error) {
    if (hasCode(error, 'OBJECTS_NOT_FOUND')) return 'none';
    if (hasCode(error, 'ARCHIVE_MANIFEST')) return 'damaged';
    throw error;
  }
}

/** The packs run by run; those of one run follow each other. */
async function* runsOf(objects: ObjectStore, stream: string): AsyncGenerator<RunPacks> {
  let packs: RunPacks | undefined;
  for await (const { key } of objects.list(`pack/${stream}/`)) {
    const [, run, day, partition, log8, from] = packName.exec(key) ?? [];
    if (run === undefined) continue;
    if (packs?.run === run) {
      packs.keys.push(key);
      continue;
    }
    if (packs !== undefined) yield packs;
    const dayEndMs = Date.parse(`${day}T00:00:00Z`) + dayMs;
    packs = { run, dayEndMs, partition: Number(partition), log8: log8!, from: BigInt(from!), keys: [key] };
  }
  if (packs !== undefined) yield packs;
}

async function* indexesOf(objects: ObjectStore, stream: string): AsyncGenerator<string> {
  for await (const { key } of objects.list(`archive/${stream}/`)) {
    const [, run] = indexName.exec(key) ?? [];
    if (run !== undefined) yield run;
  }
}
