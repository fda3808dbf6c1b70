import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { type Config, parseConfig } from '../../../core/config.ts';
import { silentLogger } from '../../../core/logging.ts';
import { messageKinds } from '../../../core/messages.ts';
import { createMetrics } from '../../../core/metrics.ts';
import { streams as streamTable } from '../../../core/streams.ts';
import { encodeTopic } from '../../../core/topics.ts';
import type { EventLog, LogRecord } from '../../../log/event-log.ts';
import type { EmbeddedDeps, EmbeddedEventLog } from '../../../log/event-log-embedded.ts';
import { openEventLog } from '../../../log/open.ts';
import { type Archive, type ArchiveDeps, startArchive } from '../archive.ts';
import { type Entry, parseEntry, sha256Of } from '../manifest.ts';
import type { ObjectStore } from '../object-store.ts';
import { openObjectStore } from '../open.ts';

export const epoch = '01K0N1V7Z0J8Q4S6T2W9X3Y5AB';
export const newerEpoch = '01K1N1V7Z0J8Q4S6T2W9X3Y5AB';

/** Limits that make many objects of few records. */
export const smallRuns = { ARCHIVE_RUN_MAX_RECORDS: '200' };

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'prestacop-archive-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function configIn(dataDir: string, env: Record<string, string> = {}): Config {
  return parseConfig({ ...env, DATA_DIR: dataDir }).config;
}

export async function openLog(
  t: TestContext,
  config: Config,
  deps: Partial<EmbeddedDeps> = {},
): Promise<EmbeddedEventLog> {
  const log = await openEventLog(config, { logger: silentLogger, role: 'bridge', ...deps });
  t.after(() => log.close());
  return log;
}

/** An archive of the streams named, or of all; stopped when the test ends. */
export async function openArchive(
  t: TestContext,
  config: Config,
  { log, only, ...deps }: { log: EventLog; only?: readonly string[] } & Partial<ArchiveDeps>,
): Promise<{ archive: Archive; objects: ObjectStore }> {
  const objects = deps.objects ?? (await openObjectStore(config));
  const archive = await startArchive(config, {
    log,
    logger: silentLogger,
    metrics: createMetrics(),
    streams: only && streamTable.filter(({ name }) => only.includes(name)),
    ...deps,
    objects,
  });
  t.after(() => archive.stop().catch(() => {}));
  return { archive, objects };
}

/** A record of the table's example with these fields changed; undefined ones are left out. */
export function record(
  kind: string,
  fields: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): LogRecord {
  const { example } = messageKinds.find(entry => entry.kind === kind)!;
  const message: Record<string, unknown> = { ...example, epoch, ...fields };
  const key = String(message.droneId);
  const topic = `prestacop/v1/nyc/${key}/${kind}`;
  return {
    key,
    headers: { topic, kind, node: 'test', receivedAtMs: '1795605600000', ...headers },
    payload: Buffer.from(JSON.stringify(message)),
  };
}

/** Bytes that differ for each number, behind the first ones of a JPEG; the bridge's judge would let them pass. */
export function jpeg(number: number, bytes = 2000): Buffer {
  const picture = Buffer.alloc(bytes, createHash('sha512').update(String(number)).digest());
  picture.writeUIntBE(0xffd8ff, 0, 3);
  return picture;
}

/** A picture's record as the bridge appends it. */
export function pictureRecord(kind: 'image' | 'frame', payload: Uint8Array, droneId = 'nyc-0007'): LogRecord {
  const topic = encodeTopic({ fleet: 'nyc', droneId, kind, imageId: sha256Of(payload) });
  const headers = { topic, kind, node: 'test', receivedAtMs: '1795605600000', contentType: 'image/jpeg' };
  return { key: droneId, headers, payload };
}

/** The picture of each number from `first` to `last`, of sizes that differ. */
export function pictures(kind: 'image' | 'frame', first: number, last: number): LogRecord[] {
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const number = first + index;
    return pictureRecord(kind, jpeg(number, 1000 + (number % 17) * 100), `nyc-000${number % 3}`);
  });
}

export function telemetry(first: number, last: number, fields: Record<string, unknown> = {}): LogRecord[] {
  return Array.from({ length: last - first + 1 }, (_, index) => record('telemetry', { seq: first + index, ...fields }));
}

/** Keys and SHA-256 of everything in the store, or of what lies below `prefix`. */
export async function contentOf(objects: ObjectStore, prefix = ''): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const { key } of objects.list(prefix)) {
    content[key] = createHash('sha256')
      .update(await objects.get(key))
      .digest('hex');
  }
  return content;
}

export async function keysIn(objects: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(prefix)) keys.push(key);
  return keys;
}

/** The manifest of one stream. */
export async function entriesOf(objects: ObjectStore, stream: string): Promise<Entry[]> {
  const keys = await keysIn(objects, `manifest/${stream}/`);
  return Promise.all(keys.map(async key => parseEntry(key, await objects.get(key))));
}

/** Rows of a query by an engine of its own; `$files` stands for the stream's Parquet objects. */
export async function query(dataDir: string, stream: string, sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run("set TimeZone = 'UTC'");
    const files = `read_parquet('${dataDir}/archive/${stream}/*/*.parquet', hive_partitioning = true)`;
    return (await connection.runAndReadAll(sql.replaceAll('$files', files))).getRowObjectsJS();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Resolves when `probe` does with something true; rejects after `deadlineMs`. */
export async function eventually<T>(what: string, probe: () => Promise<T> | T, deadlineMs = 15_000): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await wait(5);
  }
}
