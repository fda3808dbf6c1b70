import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AppError, hasCode } from '../../core/errors.ts';
import type { MessageKind } from '../../core/messages.ts';
import type { EventLog } from '../../log/event-log.ts';
import { isMark, recordCrc, recordsDigest } from '../../log/record.ts';
import { archiveErrors } from './archive-errors.ts';
import { archiveQuery, isPacked } from './columns.ts';
import { identityReader } from './identity.ts';
import {
  type Entry,
  encodeEntry,
  encodeFooter,
  entryKey,
  log8Of,
  objectKey,
  type PackRef,
  packKey,
  parseEntry,
  parseFooter,
  type RunFooter,
  sha256Of,
} from './manifest.ts';
import type { ObjectStore } from './object-store.ts';
import { PackWriter, storePack } from './pack.ts';
import type { ParquetEngine, ParquetWriter } from './parquet-writer.ts';
import { type Identity, RedeliveryState } from './redelivery.ts';
import type { Run } from './runs.ts';
import { Spool } from './spool.ts';

/** Rows, and bytes of them, that are spooled in one go, about a millisecond: the same event loop sends PUBACKs. */
const sliceRows = 256;
const sliceBytes = 256 * 1024;

/**
 * How much of a stream is read from the log in one go. Batches of 256 KiB, which the log cuts from portions of 1 MiB, cost
 * pictures a tenth more CPU; for small messages, which are decoded one by one, larger ones only take memory.
 */
export function readBytesOf(kinds: readonly MessageKind[]): number {
  return isPacked(kinds) ? 1024 * 1024 : 256 * 1024;
}

export interface RunWriterDeps {
  log: EventLog;
  objects: ObjectStore;
  writer: ParquetWriter;
  /** For `observed_local`. */
  timeZone: string;
}

/** What a run goes on from. */
export interface Before {
  /** The entry before it in this partition of this log. */
  last: Entry | undefined;
  /** For the first run of a log: key of the last entry of the log before it, whose drones may send again. */
  follows: string | undefined;
}

/** Makes objects and manifest entries of one stream (A2, A3). One call a partition at a time. */
export class RunWriter {
  #stream: string;
  #kinds: readonly MessageKind[];
  #deps: RunWriterDeps;
  #identityOf: ReturnType<typeof identityReader>;

  constructor(stream: string, kinds: readonly MessageKind[], deps: RunWriterDeps) {
    this.#stream = stream;
    this.#kinds = kinds;
    this.#deps = deps;
    this.#identityOf = identityReader(kinds);
  }

  /**
   * Stores a run's pack, where its stream has packs, then its object, which is the commit, then its entry, and resolves with
   * the entry. What is there already is adopted when it holds the same records. Reads the run from the log again, in slices:
   * nobody keeps it in memory.
   * Codes: ARCHIVE_DIFFERS, ARCHIVE_CHANGED, those of log and store; ARCHIVE_WRITING (retryable) for the local disk.
   */
  async write(partition: number, logId: string, run: Run, before: Before, signal: AbortSignal): Promise<Entry> {
    const { last } = before;
    const follows = last === undefined ? before.follows : undefined;
    const name = { stream: this.#stream, partition, log8: log8Of(logId), from: run.from };
    const object = objectKey(name, run.firstTimeMs);
    return this.#deps.writer.exclusive(async engine => {
      signal.throwIfAborted();
      const { objects, timeZone } = this.#deps;
      const spoolPath = engine.temporary('.spool');
      const packPath = engine.temporary('.pack');
      const path = engine.temporary('.parquet');
      try {
        const state = await this.#stateBefore(last, follows);
        const spooling = { partition, run, startMs: last?.timeMs ?? 0, signal };
        const { packed, ...content } = await this.#spool({ spoolPath, packPath }, state, spooling);
        const pack: PackRef | undefined = packed && { key: packKey(name, run.firstTimeMs, packed.sha256), ...packed };
        if (pack !== undefined) await storePack(objects, pack, packPath, run);
        const { from, next, count, timeMs } = run;
        const place = { logId, stream: this.#stream, partition };
        const footer: RunFooter = { ...place, from, next, count, timeMs, ...content, pack, follows };
        const source = `read_parquet('${spoolPath.replaceAll("'", "''")}')`;
        const query = archiveQuery(this.#stream, this.#kinds, { source, partition, timeZone, pack: pack?.key });
        await engine.write(query, path, encodeFooter(footer));
        const stored = { bytes: (await stat(path)).size, sha256: await sha256OfFile(path) };
        try {
          await objects.put(object, { path, consumed: true });
        } catch (error) {
          if (!hasCode(error, 'OBJECTS_EXISTS')) throw error;
          return await this.#adopt(engine, object, last, footer);
        }
        return await this.#putEntry(footer, object, stored, last, state);
      } catch (error) {
        // The engine's and the file system's errors are plain ones.
        if (error instanceof AppError || (error as Error).constructor !== Error) throw error;
        throw archiveErrors.WRITING({ object, reason: (error as Error).message }, error);
      } finally {
        for (const temporary of [spoolPath, packPath, path]) await rm(temporary, { force: true });
      }
    });
  }

  /** Writes the entry of an object that lacks one, from the object and the entry before it alone (A3). */
  async restoreEntry(object: string, last: Entry | undefined): Promise<Entry> {
    return this.#deps.writer.exclusive(engine => this.#adopt(engine, object, last, undefined));
  }

  /** The entry of a stored object, which with `wanted` must hold the same run. */
  async #adopt(
    engine: ParquetEngine,
    object: string,
    last: Entry | undefined,
    wanted: RunFooter | undefined,
  ): Promise<Entry> {
    const local = this.#deps.objects.locate(object);
    const path = local ?? engine.temporary('.parquet');
    try {
      const bytes = await this.#deps.objects.get(object);
      if (local === undefined) await writeFile(path, bytes);
      const footer = parseFooter(await engine.readFooter(path).catch(() => ({})));
      if (wanted !== undefined && !isSameRun(footer, wanted)) {
        throw archiveErrors.DIFFERS({ object, from: wanted.from, next: wanted.next });
      }
      if (footer === undefined) throw archiveErrors.MANIFEST({ object });
      const state = await this.#stateBefore(last, footer.follows);
      for await (const [identity, timeMs] of this.#identitiesIn(engine, path, last?.timeMs ?? 0)) {
        state.see(identity, timeMs);
      }
      state.endRun(footer.timeMs);
      return await this.#putEntry(footer, object, { bytes: bytes.length, sha256: sha256Of(bytes) }, last, state);
    } finally {
      if (local === undefined) await rm(path, { force: true });
    }
  }

  async *#identitiesIn(engine: ParquetEngine, path: string, startMs: number): AsyncIterable<[Identity, number]> {
    const numbered = this.#kinds.filter(kind => kind.numbered).map(({ kind }) => `'${kind}'`);
    if (numbered.length === 0) return;
    let timeMs = startMs;
    const portions = engine.rows(
      `select epoch_ms(received_at)::double, drone_id, epoch, kind, seq::double
      from read_parquet('${path.replaceAll("'", "''")}')
      where kind in (${numbered.join(', ')}) and seq is not null order by "offset"`,
    );
    for await (const portion of portions) {
      for (const [atMs, droneId, epoch, kind, seq] of portion as [number, string, string, string, number][]) {
        timeMs = Math.max(timeMs, atMs);
        yield [{ droneId, epoch, kind, seq }, timeMs];
      }
    }
  }

  async #stateBefore(last: Entry | undefined, follows: string | undefined): Promise<RedeliveryState> {
    const before = last ?? (follows && parseEntry(follows, await this.#deps.objects.get(follows)));
    return RedeliveryState.parse(before ? before.redelivery : {});
  }

  async #spool(
    { spoolPath, packPath }: { spoolPath: string; packPath: string },
    state: RedeliveryState,
    { partition, run, startMs, signal }: { partition: number; run: Run; startMs: number; signal: AbortSignal },
  ): Promise<{ crc: number; digest: string; packed: Omit<PackRef, 'key'> | undefined }> {
    const { log } = this.#deps;
    const pack = isPacked(this.#kinds) ? new PackWriter(packPath) : undefined;
    const spool = await Spool.create(spoolPath, pack !== undefined);
    const digest = recordsDigest();
    let timeMs = startMs;
    let crc = 0;
    let next = run.from;
    let packed: Omit<PackRef, 'key'> | undefined;
    let rowsInSlice = 0;
    let bytesInSlice = 0;
    try {
      const options = { signal, until: run.next, maxBatchBytes: readBytesOf(this.#kinds), reuse: true };
      for await (const { records } of log.fetch(this.#stream, partition, run.from, options)) {
        for (const record of records) {
          digest.add(record);
          next = record.offset + 1n;
          if (next === run.next) crc = recordCrc(record);
          if (!isMark(record)) {
            timeMs = Math.max(timeMs, record.timeMs);
            const identity = this.#identityOf(record);
            spool.add({
              offset: record.offset,
              timeMs: record.timeMs,
              key: record.key,
              headers: record.headers,
              kind: record.headers.kind ?? '',
              payload: pack === undefined ? record.payload : pack.add(record.payload),
              redelivery: identity !== undefined && state.see(identity, timeMs),
              droneId: identity?.droneId ?? '',
              epoch: identity?.epoch ?? '',
              seq: identity?.seq ?? 0,
              adapted: record.headers.message ?? '',
            });
            if (spool.full) await spool.flush();
          }
          bytesInSlice += record.payload.byteLength;
          if (++rowsInSlice < sliceRows && bytesInSlice < sliceBytes) continue;
          rowsInSlice = 0;
          bytesInSlice = 0;
          await nextTurn();
        }
        await pack?.flush();
      }
      signal.throwIfAborted();
      if (next !== run.next || spool.rows !== run.count) {
        const { from } = run;
        throw archiveErrors.CHANGED({ stream: this.#stream, partition, from, next: run.next });
      }
      await spool.finish();
      packed = await pack?.finish();
    } finally {
      await spool.close();
      await pack?.close();
    }
    state.endRun(run.timeMs);
    return { crc, digest: digest.hex(), packed };
  }

  async #putEntry(
    footer: RunFooter,
    object: string,
    stored: { bytes: number; sha256: string },
    last: Entry | undefined,
    state: RedeliveryState,
  ): Promise<Entry> {
    const previous = last && sha256Of(encodeEntry(last));
    const entry: Entry = { ...footer, object, ...stored, previous, redelivery: state.encode() };
    const { stream, partition, logId, from, next } = footer;
    const key = entryKey({ stream, partition, log8: log8Of(logId), from });
    const bytes = encodeEntry(entry);
    try {
      await this.#deps.objects.put(key, bytes);
    } catch (error) {
      if (!hasCode(error, 'OBJECTS_EXISTS')) throw error;
      if (!bytes.equals(await this.#deps.objects.get(key))) throw archiveErrors.DIFFERS({ object: key, from, next });
    }
    return entry;
  }
}

/** Whether an object holds the run: of one log, from and next, with the same records. */
function isSameRun(found: RunFooter | undefined, { logId, stream, partition, from, next, digest }: RunFooter): boolean {
  return (
    found?.logId === logId &&
    found.stream === stream &&
    found.partition === partition &&
    found.from === from &&
    found.next === next &&
    found.digest === digest
  );
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
