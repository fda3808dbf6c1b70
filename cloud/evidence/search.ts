import { hash } from 'node:crypto';
import { posix } from 'node:path';
import { type AppError, hasCode } from '../../core/errors.ts';
import { parseTopic } from '../../core/topics.ts';
import type { EventLog, PartitionEnds, StoredRecord } from '../../log/event-log.ts';
import { listChains, log8Of, parseEntry } from '../archive/manifest.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import { findPictures, pictureStreams, readPicture } from '../archive/pictures.ts';

/** A picture with where it was found; its bytes have the SHA-256 that is its id. */
export interface Evidence {
  imageId: string;
  bytes: Uint8Array;
  stream: string;
  partition: number;
  offset: bigint;
  /** The log's time of its record; UTC milliseconds. */
  receivedAtMs: number;
  droneId: string;
  contentType: string;
  /** Where in the archive; undefined: in the log, at `offset`. */
  archived: { pack: string; position: number } | undefined;
}

export interface Search {
  found: Evidence | undefined;
  /** What was looked at, in words. */
  searched: string[];
  /** What should have been readable and was not. */
  problems: string[];
}

export interface SearchDeps {
  objects: ObjectStore;
  /** Called when the archive does not hold the picture. */
  openLog(): Promise<EventLog>;
  signal: AbortSignal;
  /** The UTC day of the archive to look at, by the log's time, as YYYY-MM-DD; default all. */
  day?: string;
  /** Hears of every step, in words. */
  onProgress?: (step: string) => void;
}

/** While a large archive is searched, more of the log may be archived and leave it; then the archive is searched again. */
const roundsAtMost = 3;

/**
 * Looks for a picture, stream by stream, in the archive and then in the log behind it, and gives the first intact copy; where
 * the archive is damaged, the log may still hold the same records. Reads only. Rejects with the codes of log and store; what is
 * damaged is among the problems.
 */
export async function findEvidence(imageId: string, deps: SearchDeps): Promise<Search> {
  const search: Search = { found: undefined, searched: [], problems: [] };
  for (const stream of pictureStreams) {
    for (let left = true, rounds = 0; left && rounds < roundsAtMost; rounds++) {
      // Before the archive is searched: what is archived meanwhile is then found in the log.
      const archivedTo = await archivedEnds(deps.objects, stream, search);
      search.found = await inArchive(imageId, stream, deps, search);
      if (search.found !== undefined) return search;
      ({ found: search.found, left } = await inLog(imageId, stream, archivedTo, deps, search));
      if (search.found !== undefined) return search;
    }
  }
  return search;
}

async function inArchive(
  imageId: string,
  stream: string,
  { objects, signal, day, onProgress }: SearchDeps,
  { searched, problems }: Search,
): Promise<Evidence | undefined> {
  let looked = 0;
  const refs = findPictures(objects, [imageId], {
    signal,
    streams: [stream],
    days: day === undefined ? undefined : { from: day, to: day },
    onDamaged: (object, problem) => problems.push(`${object}: ${problem}`),
    onProgress: (_, indexes) => {
      looked = indexes;
      onProgress?.(`${indexes} indexes of ${stream}`);
    },
  });
  for await (const { pack, position, length, ...ref } of refs) {
    try {
      const bytes = await readPicture(objects, { imageId, pack, position, length });
      return { ...ref, bytes, archived: { pack, position } };
    } catch (error) {
      if (!hasCode(error, 'ARCHIVE_PICTURE_DAMAGED')) throw error;
      problems.push(error.message);
    }
  }
  searched.push(`the archive of ${stream} (${looked} ${looked === 1 ? 'index' : 'indexes'}${day ? ` of ${day}` : ''})`);
  return undefined;
}

/** Key `{partition}/{log8}` -> the offset behind the last entry of the manifest. */
async function archivedEnds(objects: ObjectStore, stream: string, { problems }: Search): Promise<Map<string, bigint>> {
  const ends = new Map<string, bigint>();
  const chainsOf = await listChains(objects, stream);
  // After the manifest: an index is there before its entry.
  const indexes = new Set<string>();
  for await (const { key } of objects.list(`archive/${stream}/`)) indexes.add(posix.basename(key, '.parquet'));
  const gone: string[] = [];
  for (const [partition, chains] of chainsOf) {
    for (const [log8, { entries }] of chains) {
      const last = entries.at(-1);
      if (last === undefined) continue;
      gone.push(...entries.map(({ key }) => posix.basename(key, '.json')).filter(name => !indexes.has(name)));
      try {
        ends.set(`${partition}/${log8}`, parseEntry(last.key, await objects.get(last.key)).next);
      } catch (error) {
        if (!hasCode(error, 'ARCHIVE_MANIFEST')) throw error;
        problems.push(error.message);
      }
    }
  }
  if (gone.length > 0)
    problems.push(`archive/${stream} lacks ${gone.length} of the indexes in its manifest, the first is ${gone[0]}`);
  return ends;
}

async function inLog(
  imageId: string,
  stream: string,
  archivedTo: ReadonlyMap<string, bigint>,
  deps: SearchDeps,
  { searched, problems }: Search,
): Promise<{ found: Evidence | undefined; left: boolean }> {
  const log = await deps.openLog();
  let left = false;
  for (const ends of await log.ends(stream)) {
    const archived = archivedTo.get(`${ends.partition}/${log8Of(ends.logId)}`) ?? 0n;
    const from = archived > ends.earliest && problems.length === 0 ? archived : ends.earliest;
    const record = await inPartition(log, imageId, { stream, from, ends }, deps, problems);
    if (record !== undefined) {
      const { offset, timeMs, key, headers } = record;
      const found = {
        imageId,
        bytes: Uint8Array.from(record.payload),
        stream,
        partition: ends.partition,
        offset,
        receivedAtMs: timeMs,
        droneId: parseTopic(headers.topic ?? '')?.droneId ?? key,
        contentType: headers.contentType ?? '',
        archived: undefined,
      };
      return { found, left: false };
    }
    searched.push(`the log of ${stream} (partition ${ends.partition}, offsets ${from} to ${ends.end})`);
    const now = (await log.ends(stream)).find(({ partition }) => partition === ends.partition);
    left ||= now !== undefined && now.earliest > archived;
  }
  return { found: undefined, left };
}

/** Reads [from, end), and on behind whatever is lost. */
async function inPartition(
  log: EventLog,
  imageId: string,
  { stream, from, ends }: { stream: string; from: bigint; ends: PartitionEnds },
  { signal, onProgress }: SearchDeps,
  problems: string[],
): Promise<StoredRecord | undefined> {
  const { partition, end } = ends;
  for (let next = from; next < end; ) {
    signal.throwIfAborted();
    try {
      for await (const batch of log.fetch(stream, partition, next, { signal, until: end, reuse: true })) {
        for (const record of batch.records) {
          if (!record.headers.topic?.endsWith(`/${imageId}`)) continue;
          if (hash('sha256', record.payload) === imageId) return record;
          problems.push(`the record ${record.offset} of ${stream} partition ${partition} has other bytes`);
        }
        next = batch.nextOffset;
        onProgress?.(`${stream} in the log, ${next - from} of ${end - from} records`);
      }
      signal.throwIfAborted();
      return undefined;
    } catch (error) {
      if (!hasCode(error, 'LOG_GAP')) throw error;
      problems.push(error.message);
      const behind = BigInt((error as AppError).detail.to as bigint);
      next = behind > next ? behind : next + 1n;
    }
  }
  return undefined;
}
