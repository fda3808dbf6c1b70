import { createHash } from 'node:crypto';
import { archiveErrors } from './archive-errors.ts';
import type { ObjectStore } from './object-store.ts';
import type { RedeliveryText } from './redelivery.ts';

/** A pack: the payloads of a run one after the other, in the order of its rows. */
export interface PackRef {
  key: string;
  bytes: number;
  /** SHA-256 of the whole pack; its first 16 hex digits stand in the key. */
  sha256: string;
}

/** What an object's Parquet footer says of its run; with its rows all that its manifest entry is made from. */
export interface RunFooter {
  logId: string;
  stream: string;
  partition: number;
  /** The run is the records [from, next). */
  from: bigint;
  next: bigint;
  /** Rows: the records that are no marks. */
  count: number;
  /** T at the run's end. */
  timeMs: number;
  /** CRC-32 of the record before `next` (L1). */
  crc: number;
  /** SHA-256 over the run's records, marks included. */
  digest: string;
  /** Of a stream of pictures: where the payloads of its rows lie. */
  pack: PackRef | undefined;
  /** Of the first run of a log: key of the last entry of the log before it, whose redelivery state it went on from. */
  follows: string | undefined;
}

/** An entry of the manifest: what the archiver needs to go on behind an object, chained to the entry before it (A2). */
export interface Entry extends RunFooter {
  object: string;
  bytes: number;
  /** SHA-256 of the object as it is stored. */
  sha256: string;
  /** SHA-256 of the entry before in this partition of this log; undefined for the first. */
  previous: string | undefined;
  redelivery: RedeliveryText;
}

/** The first 8 hex digits of the SHA-256 of a log's id, as names in the archive have it (A2). */
export function log8Of(logId: string): string {
  return sha256Of(Buffer.from(logId)).slice(0, 8);
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface RunName {
  stream: string;
  partition: number;
  log8: string;
  from: bigint;
}

function nameOf({ partition, log8, from }: RunName): string {
  return `p${partition}-${log8}-${String(from).padStart(20, '0')}`;
}

export function objectKey(name: RunName, firstTimeMs: number): string {
  return `archive/${name.stream}/${dayOf(firstTimeMs)}/${nameOf(name)}.parquet`;
}

export function packKey(name: RunName, firstTimeMs: number, sha256: string): string {
  return `pack/${name.stream}/${dayOf(firstTimeMs)}/${nameOf(name)}-${sha256.slice(0, 16)}.pack`;
}

function dayOf(timeMs: number): string {
  return `dt=${new Date(timeMs).toISOString().slice(0, 10)}`;
}

export function entryKey(name: RunName): string {
  return `manifest/${name.stream}/${nameOf(name)}.json`;
}

const footerNames = ['logId', 'stream', 'partition', 'from', 'next', 'count', 'timeMs', 'crc', 'digest'] as const;
const footerVersion = '1';

/** The footer as Parquet's key-value pairs. */
export function encodeFooter(footer: RunFooter): Record<string, string> {
  const pairs = footerNames.map(name => [`prestacop.${name}`, String(footer[name])] as const);
  const { follows, pack } = footer;
  return {
    'prestacop.version': footerVersion,
    ...Object.fromEntries(pairs),
    ...(pack && {
      'prestacop.pack': pack.key,
      'prestacop.packBytes': String(pack.bytes),
      'prestacop.packSha256': pack.sha256,
    }),
    ...(follows === undefined ? {} : { 'prestacop.follows': follows }),
  };
}

/** The inverse of `encodeFooter`; undefined for a file that is none of ours. */
export function parseFooter(pairs: Readonly<Record<string, string>>): RunFooter | undefined {
  if (pairs['prestacop.version'] !== footerVersion) return undefined;
  const text = (name: (typeof footerNames)[number]) => pairs[`prestacop.${name}`] ?? '';
  const pack = pairs['prestacop.pack'];
  return {
    logId: text('logId'),
    stream: text('stream'),
    partition: Number(text('partition')),
    from: BigInt(text('from')),
    next: BigInt(text('next')),
    count: Number(text('count')),
    timeMs: Number(text('timeMs')),
    crc: Number(text('crc')),
    digest: text('digest'),
    pack:
      pack === undefined
        ? undefined
        : {
            key: pack,
            bytes: Number(pairs['prestacop.packBytes']),
            sha256: pairs['prestacop.packSha256'] ?? '',
          },
    follows: pairs['prestacop.follows'],
  };
}

export function encodeEntry({ from, next, ...entry }: Entry): Buffer {
  return Buffer.from(`${JSON.stringify({ v: 1, ...entry, from: String(from), next: String(next) })}\n`);
}

/** The inverse of `encodeEntry`; fails with `ARCHIVE_MANIFEST`. */
export function parseEntry(key: string, bytes: Uint8Array): Entry {
  try {
    const { v, from, next, ...entry } = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (v !== 1) throw new Error(`version ${v}`);
    return { ...entry, from: BigInt(from), next: BigInt(next) };
  } catch (error) {
    throw archiveErrors.MANIFEST({ object: key }, error);
  }
}

/** What lies in the store of one partition of one log, ascending. */
export interface Chain {
  objects: { key: string; from: bigint }[];
  entries: { key: string; from: bigint }[];
}

const fileName = /\/p(\d+)-([0-9a-f]{8})-(\d{20})\.(parquet|json)$/;

/** The names in the store of one stream: partition -> log8 -> chain. */
export async function listChains(objects: ObjectStore, stream: string): Promise<Map<number, Map<string, Chain>>> {
  const partitions = new Map<number, Map<string, Chain>>();
  for (const area of ['archive', 'manifest'] as const) {
    for await (const { key } of objects.list(`${area}/${stream}/`)) {
      const [, number, log8, from] = fileName.exec(key) ?? [];
      if (number === undefined) continue;
      const chains = partitions.get(Number(number)) ?? new Map<string, Chain>();
      partitions.set(Number(number), chains);
      const chain = chains.get(log8!) ?? { objects: [], entries: [] };
      chains.set(log8!, chain);
      chain[area === 'archive' ? 'objects' : 'entries'].push({ key, from: BigInt(from!) });
    }
  }
  for (const chain of [...partitions.values()].flatMap(chains => [...chains.values()])) {
    for (const list of [chain.objects, chain.entries]) list.sort((a, b) => (a.from < b.from ? -1 : 1));
  }
  return partitions;
}
