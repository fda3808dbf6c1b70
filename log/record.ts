import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Headers, LogRecord } from './event-log.ts';

/** An empty record that closes a run of the archive (A1). Every reader skips it; `by` says who wrote it. */
export function markRecord(by: string): LogRecord {
  return { key: '', headers: { mark: by }, payload: new Uint8Array(0) };
}

export function isMark(record: LogRecord): boolean {
  return record.headers.mark !== undefined;
}

/** Bytes of key + headers + payload, as limits count them. */
export function recordBytes(record: LogRecord): number {
  let bytes = Buffer.byteLength(record.key) + record.payload.byteLength;
  for (const name in record.headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(record.headers[name]!);
  return bytes;
}

/**
 * A record as bytes that every adapter agrees on, for checksums only: key, number of headers, names and values in their
 * stored order, payload; each text and the payload after its length (32 bits, big-endian).
 */
export function canonicalBytes(record: LogRecord): Buffer {
  return Buffer.concat([canonicalHead(record), record.payload]);
}

/** The message in a drone's record as JSON text: the header `message` where an adapter made it, else the payload. */
export function messageText({ headers, payload }: LogRecord): string {
  return headers.message ?? Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
}

/** CRC-32 of the canonical bytes: what a position remembers of the record before it (L1). */
export function recordCrc(record: LogRecord): number {
  return crc32(record.payload, crc32(canonicalHead(record)));
}

/** SHA-256 over the canonical bytes of records in order; `add` each, then `hex` once. */
export function recordsDigest(): { add(record: LogRecord): void; hex(): string } {
  const hash = createHash('sha256');
  return {
    add(record) {
      hash.update(canonicalHead(record));
      hash.update(record.payload);
    },
    hex: () => hash.digest('hex'),
  };
}

function canonicalHead({ key, headers, payload }: LogRecord): Buffer {
  const texts = [key, ...flatten(headers)];
  const lengths = texts.map(text => Buffer.byteLength(text));
  const head = Buffer.allocUnsafe(8 + lengths.reduce((sum, length) => sum + 4 + length, 0));
  let at = 0;
  texts.forEach((text, index) => {
    at = head.writeUInt32BE(lengths[index]!, at);
    at += head.write(text, at, 'utf8');
    if (index === 0) at = head.writeUInt32BE((texts.length - 1) / 2, at);
  });
  head.writeUInt32BE(payload.byteLength, at);
  return head;
}

function flatten(headers: Headers): string[] {
  return Object.entries(headers).flat();
}
