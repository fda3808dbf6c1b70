import { hash } from 'node:crypto';
import { AppError, hasCode } from '../../core/errors.ts';
import { streams as streamTable } from '../../core/streams.ts';
import { archiveErrors } from './archive-errors.ts';
import { isPacked } from './columns.ts';
import type { ObjectStore } from './object-store.ts';
import { literal, openParquetReader, type ParquetReader, type Row } from './parquet-reader.ts';

/** A picture in the archive, as the row of its index has it. */
export interface PictureRef {
  /** SHA-256 of its bytes, in hex. */
  imageId: string;
  stream: string;
  partition: number;
  offset: bigint;
  /** The log's time of its record; UTC milliseconds. */
  receivedAtMs: number;
  droneId: string;
  contentType: string;
  /** Its bytes are the `length` at `position` of this object. */
  pack: string;
  position: number;
  length: number;
}

export interface FindOptions {
  signal: AbortSignal;
  /** Default: every stream of pictures, evidence before patrol frames. */
  streams?: readonly string[];
  /** The UTC days of the log's time to look at, as YYYY-MM-DD, both included, at most a year; default all. */
  days?: { from: string; to: string };
  /** Hears of each index that cannot be read; the search goes on. */
  onDamaged: (object: string, problem: string) => void;
  /** Hears how many indexes of a stream were looked at so far. */
  onProgress?: (stream: string, indexes: number) => void;
}

/** The streams whose pictures are archived as packs. */
export const pictureStreams: readonly string[] = streamTable
  .filter(({ archived, kinds }) => archived && isPacked(kinds))
  .map(({ name }) => name);

const portionIndexes = 64;
const dayMs = 24 * 3600 * 1000;
const daysAtMost = 366;

/**
 * One range read. Fails with `ARCHIVE_PICTURE_DAMAGED` when the bytes are not there or their SHA-256 is not the id, else with
 * the store's codes.
 */
export async function readPicture(
  objects: ObjectStore,
  { imageId, pack, position, length }: Pick<PictureRef, 'imageId' | 'pack' | 'position' | 'length'>,
): Promise<Uint8Array> {
  const damaged = (reason: string, cause?: unknown) =>
    archiveErrors.PICTURE_DAMAGED({ imageId, pack, position, reason }, cause);
  let bytes: Uint8Array;
  try {
    bytes = await objects.get(pack, { start: position, end: position + length });
  } catch (error) {
    throw hasCode(error, 'OBJECTS_NOT_FOUND') ? damaged('there is no such pack', error) : error;
  }
  if (bytes.length !== length) throw damaged(`the pack holds ${bytes.length} of its ${length} bytes`);
  if (hash('sha256', bytes) !== imageId) throw damaged(`the SHA-256 of its ${length} bytes is not the id`);
  return bytes;
}

/**
 * Looks the ids up in the indexes, some thousand at most, and gives every row that has one of them: a picture sent twice comes
 * twice. Streams in the order given, days ascending; it ends when everything was looked at, so who has enough leaves early.
 */
export async function* findPictures(
  objects: ObjectStore,
  ids: readonly string[],
  { signal, streams = pictureStreams, days, onDamaged, onProgress }: FindOptions,
): AsyncGenerator<PictureRef> {
  const query = (files: string) => `
    select image_id, "partition", "offset", epoch_ms(received_at)::double as received_at_ms, drone_id, content_type,
      pack, position::double as position, length
    from ${files} where image_id in (${ids.map(literal).join(', ')}) order by "partition", "offset"`;
  if (ids.length === 0) return;
  const reader = await openParquetReader(objects);
  try {
    for (const stream of streams) {
      let indexes = 0;
      for await (const keys of portionsOf(indexesOf(objects, stream, days))) {
        signal.throwIfAborted();
        for (const row of await rowsOf(reader, keys, query, onDamaged)) yield refOf(stream, row);
        indexes += keys.length;
        onProgress?.(stream, indexes);
      }
    }
  } finally {
    await reader.close();
  }
}

async function rowsOf(
  reader: ParquetReader,
  keys: readonly string[],
  query: (files: string) => string,
  onDamaged: FindOptions['onDamaged'],
): Promise<Row[]> {
  try {
    return await reader.rows(keys, query);
  } catch (error) {
    if (error instanceof AppError && error.retryable) throw error;
    if (keys.length === 1) {
      onDamaged(keys[0]!, (error as Error).message.split('\n')[0]!);
      return [];
    }
    // One of them: each alone, so that it is named and the others count.
    const rows: Row[] = [];
    for (const key of keys) rows.push(...(await rowsOf(reader, [key], query, onDamaged)));
    return rows;
  }
}

function refOf(stream: string, row: Row): PictureRef {
  return {
    imageId: String(row.image_id),
    stream,
    partition: Number(row.partition),
    offset: BigInt(row.offset as bigint),
    receivedAtMs: Number(row.received_at_ms),
    droneId: String(row.drone_id),
    contentType: String(row.content_type),
    pack: String(row.pack),
    position: Number(row.position),
    length: Number(row.length),
  };
}

async function* indexesOf(objects: ObjectStore, stream: string, days: FindOptions['days']): AsyncGenerator<string> {
  for (const prefix of days === undefined ? [''] : foldersOf(days)) {
    for await (const { key } of objects.list(`archive/${stream}/${prefix}`)) if (key.endsWith('.parquet')) yield key;
  }
}

function* foldersOf({ from, to }: { from: string; to: string }): Generator<string> {
  const first = Date.parse(`${from}T00:00:00Z`);
  const last = Date.parse(`${to}T00:00:00Z`);
  if (!(last - first < daysAtMost * dayMs)) throw new TypeError(`not at most ${daysAtMost} days: ${from} to ${to}`);
  for (let day = first; day <= last; day += dayMs) yield `dt=${new Date(day).toISOString().slice(0, 10)}/`;
}

async function* portionsOf(keys: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let portion: string[] = [];
  for await (const key of keys) {
    if (portion.push(key) < portionIndexes) continue;
    yield portion;
    portion = [];
  }
  if (portion.length > 0) yield portion;
}
