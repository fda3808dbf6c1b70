import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { LogRecord } from './event-log.ts';

/** An empty record that closes a run of the archive (A1). Every reader skips it; `by` says who wrote it. */
export function markRecord(by: string): LogRecord {
  return { key: '', headers: { mark: by }, payload: new Uint8Array(0) };
}

export function isMark(record: LogRecord): boolean {
  return record.headers.mark !== undefined;
}

/** A mark by which the archive closes its open run: a full log takes it too, since what it closes may then leave (L7). */
export function isArchiveMark(record: LogRecord): boolean {
  return record.headers.mark === 'archive' && record.payload.byteLength === 0;
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

const digestedBytes = 64 * 1024;

/** SHA-256 over the canonical bytes of records in order; `add` each, then `hex` once. */
export function recordsDigest(): { add(record: LogRecord): void; hex(): string } {
  const hash = createHash('sha256');
  // A call of the hash costs more than copying a record, so many go at once.
  let buffer = Buffer.allocUnsafe(digestedBytes);
  let used = 0;
  const flush = () => {
    hash.update(buffer.subarray(0, used));
    used = 0;
  };
  return {
    add(record) {
      const { payload } = record;
      const most = headBytesAtMost(record) + payload.byteLength;
      if (used + most > buffer.length) flush();
      if (most > buffer.length) buffer = Buffer.allocUnsafe(most);
      used = writeHead(record, buffer, used);
      buffer.set(payload, used);
      used += payload.byteLength;
    },
    hex() {
      flush();
      return hash.digest('hex');
    },
  };
}

function canonicalHead(record: LogRecord): Buffer {
  const head = Buffer.allocUnsafe(headBytesAtMost(record));
  return head.subarray(0, writeHead(record, head, 0));
}

function headBytesAtMost({ key, headers }: LogRecord): number {
  let units = key.length;
  let texts = 1;
  for (const name in headers) {
    units += name.length + headers[name]!.length;
    texts += 2;
  }
  return 8 + 4 * texts + 3 * units;
}

/** Writes everything of the canonical bytes but the payload, and gives where that goes. */
function writeHead({ key, headers, payload }: LogRecord, buffer: Buffer, start: number): number {
  const countAt = writeText(buffer, key, start);
  let at = countAt + 4;
  let count = 0;
  for (const name in headers) {
    at = writeText(buffer, headers[name]!, writeText(buffer, name, at));
    count++;
  }
  buffer.writeUInt32BE(count, countAt);
  return buffer.writeUInt32BE(payload.byteLength, at);
}

function writeText(buffer: Buffer, text: string, at: number): number {
  const length = text === '' ? 0 : buffer.write(text, at + 4, 'utf8');
  buffer.writeUInt32BE(length, at);
  return at + 4 + length;
}
