import { crc32 } from 'node:zlib';
import type { Headers, LogRecord, StoredRecord } from './event-log.ts';

/*
 * A segment is a row of batches. Batch, little-endian:
 *   0  magic "PCB1"
 *   4  CRC-32 of everything from byte 8 to the batch's end, begun with the log's salt
 *   8  bytes of the body
 *  12  count of records
 *  16  first offset, 64 bits
 *  24  log time, 64 bits, UTC milliseconds
 *  32  records before this batch in the same write: what one write holds may be torn, what came before it not
 *  36  body: a record after the other
 * Record: bytes of payload, key, headers (32 bits each), then key, headers as JSON, payload. Headers of 0 bytes are none,
 * of 0xffffffff those of the record before.
 * The salt keeps bytes that a drone chose from passing for a batch when a damaged segment is searched.
 */
export const batchHeadBytes = 36;
const magic = 0x31424350;
export const magicBytes: Uint8Array = Buffer.from('PCB1');
const recordHeadBytes = 12;
const sameHeaders = 0xffffffff;

/** A batch is closed when its body reaches this; one larger record makes a batch of its own. */
const batchTargetBytes = 256 * 1024;
/** No body is larger: the largest record, its headers with every character escaped, and a batch that was nearly full. */
export const bodyMaxBytes = 8 * 1024 * 1024;
/** An encoder keeps a buffer of at most this size between commits. */
const keptBufferBytes = 1024 * 1024;

export interface BatchHead {
  bodyBytes: number;
  count: number;
  firstOffset: number;
  timeMs: number;
  recordsBefore: number;
}

/** Encodes records into a block of batches whose heads are still to be stamped. One buffer, reused from block to block. */
export class BlockEncoder {
  #buffer: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #bytes = 0;
  #batchStart = -1;
  #count = 0;
  #headers: Headers | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  add(record: LogRecord): void {
    const { key, headers, payload } = record;
    const payloadBytes = payload.byteLength;
    if (this.#batchStart >= 0 && this.#bytes - this.#batchStart + payloadBytes > batchTargetBytes) this.#endBatch();
    let text = '';
    const same = this.#batchStart >= 0 && headers === this.#headers;
    if (!same) {
      text = JSON.stringify(headers);
      if (text === '{}') text = '';
    }
    this.#reserve(batchHeadBytes + recordHeadBytes + (key.length + text.length) * 3 + payloadBytes);
    if (this.#batchStart < 0) {
      this.#batchStart = this.#bytes;
      this.#bytes += batchHeadBytes;
      this.#count = 0;
    }
    this.#headers = headers;
    this.#count++;

    const buffer = this.#buffer;
    const head = this.#bytes;
    const keyBytes = writeText(buffer, key, head + recordHeadBytes);
    let at = head + recordHeadBytes + keyBytes;
    const headersBytes = text === '' ? 0 : buffer.write(text, at);
    at += headersBytes;
    buffer.set(payload, at);
    writeUInt32(buffer, payloadBytes, head);
    writeUInt32(buffer, keyBytes, head + 4);
    writeUInt32(buffer, same ? sameHeaders : headersBytes, head + 8);
    this.#bytes = at + payloadBytes;
  }

  /** Adds a block that another encoder made. */
  addBlock(block: Uint8Array): void {
    this.#endBatch();
    this.#reserve(block.byteLength);
    this.#buffer.set(block, this.#bytes);
    this.#bytes += block.byteLength;
  }

  /** The block since the last call; its bytes are good until `reset`. */
  finish(): Buffer {
    this.#endBatch();
    return this.#buffer.subarray(0, this.#bytes);
  }

  reset(): void {
    this.#bytes = 0;
    this.#headers = undefined;
    if (this.#buffer.length > keptBufferBytes) this.#buffer = Buffer.allocUnsafeSlow(keptBufferBytes);
  }

  #endBatch(): void {
    if (this.#batchStart < 0) return;
    const start = this.#batchStart;
    writeUInt32(this.#buffer, magic, start);
    writeUInt32(this.#buffer, this.#bytes - start - batchHeadBytes, start + 8);
    writeUInt32(this.#buffer, this.#count, start + 12);
    this.#batchStart = -1;
    this.#headers = undefined;
  }

  #reserve(bytes: number): void {
    const needed = this.#bytes + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#bytes);
    this.#buffer = larger;
  }
}

/** Fills in offsets, time and checksums of a block's batches. Gives the number of records in it. */
export function stampBlock(block: Buffer, firstOffset: number, timeMs: number, salt: number): number {
  let records = 0;
  for (let at = 0; at < block.length; ) {
    const end = at + batchHeadBytes + block.readUInt32LE(at + 8);
    const count = block.readUInt32LE(at + 12);
    block.writeBigUInt64LE(BigInt(firstOffset + records), at + 16);
    block.writeBigUInt64LE(BigInt(timeMs), at + 24);
    writeUInt32(block, records, at + 32);
    writeUInt32(block, crc32(block.subarray(at + 8, end), salt), at + 4);
    records += count;
    at = end;
  }
  return records;
}

/** The records in a block that another process made, or undefined when it is not a well-formed block. */
export function countBlock(block: Buffer): number | undefined {
  let records = 0;
  for (let at = 0; at < block.length; ) {
    const head = readHead(block, at);
    if (head === undefined) return undefined;
    const end = at + batchHeadBytes + head.bodyBytes;
    if (end > block.length || !isWellFormed(block, at + batchHeadBytes, end, head.count)) return undefined;
    records += head.count;
    at = end;
  }
  return records;
}

function isWellFormed(bytes: Buffer, start: number, end: number, count: number): boolean {
  let at = start;
  for (let index = 0; index < count; index++) {
    if (at + recordHeadBytes > end) return false;
    const headersBytes = bytes.readUInt32LE(at + 8);
    if (headersBytes === sameHeaders && index === 0) return false;
    at += recordHeadBytes + bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4);
    if (headersBytes !== sameHeaders) at += headersBytes;
  }
  return at === end;
}

/** The head at `at`, where 36 bytes must be; undefined when no batch can begin there. The checksum is not looked at. */
export function readHead(bytes: Buffer, at: number): BatchHead | undefined {
  if (at + batchHeadBytes > bytes.length || bytes.readUInt32LE(at) !== magic) return undefined;
  const bodyBytes = bytes.readUInt32LE(at + 8);
  const count = bytes.readUInt32LE(at + 12);
  if (count === 0 || bodyBytes > bodyMaxBytes || count * recordHeadBytes > bodyBytes) return undefined;
  return {
    bodyBytes,
    count,
    firstOffset: Number(bytes.readBigUInt64LE(at + 16)),
    timeMs: Number(bytes.readBigUInt64LE(at + 24)),
    recordsBefore: bytes.readUInt32LE(at + 32),
  };
}

/** Whether the checksum of the whole batch at `at`, all of which must be in `bytes`, is right. */
export function isIntact(bytes: Buffer, at: number, head: BatchHead, salt: number): boolean {
  const end = at + batchHeadBytes + head.bodyBytes;
  return crc32(bytes.subarray(at + 8, end), salt) === bytes.readUInt32LE(at + 4);
}

const noHeaders: Headers = Object.freeze({});

/** What a reader takes from batches: offsets [from, to), and bytes of which more than `maxBytes` come only as one record. */
export interface Taking {
  from: number;
  to: number;
  bytes: number;
  maxBytes: number;
  records: StoredRecord[];
}

/** Decodes an intact batch's records into `taking`, up to its limits. Payloads are views of `bytes`. */
export function decodeBatch(bytes: Buffer, at: number, head: BatchHead, taking: Taking): void {
  const { from, to, maxBytes, records } = taking;
  const { firstOffset, timeMs } = head;
  const end = Math.min(to, firstOffset + head.count);
  let position = at + batchHeadBytes;
  let headers = noHeaders;
  let headersLength = 0;
  let key = '';
  let keyStart = 0;
  let keyBytes = 0;
  for (let offset = firstOffset; offset < end; offset++) {
    const payloadBytes = bytes.readUInt32LE(position);
    const nextKeyBytes = bytes.readUInt32LE(position + 4);
    const headersBytes = bytes.readUInt32LE(position + 8);
    position += recordHeadBytes;
    if (nextKeyBytes !== keyBytes || !sameBytes(bytes, position, keyStart, keyBytes)) {
      key = bytes.toString('utf8', position, position + nextKeyBytes);
      keyBytes = nextKeyBytes;
    }
    keyStart = position;
    position += nextKeyBytes;
    if (headersBytes !== sameHeaders) {
      headers = headersBytes === 0 ? noHeaders : JSON.parse(bytes.toString('utf8', position, position + headersBytes));
      headersLength = headersBytes;
      position += headersBytes;
    }
    if (offset >= from) {
      taking.bytes += payloadBytes + keyBytes + headersLength;
      if (taking.bytes > maxBytes && records.length > 0) return;
      const payload = bytes.subarray(position, position + payloadBytes);
      records.push({ key, headers, payload, offset: BigInt(offset), timeMs });
    }
    position += payloadBytes;
  }
}

function sameBytes(bytes: Buffer, a: number, b: number, length: number): boolean {
  for (let index = 0; index < length; index++) {
    if (bytes[a + index] !== bytes[b + index]) return false;
  }
  return true;
}

// Short ASCII texts, as ids are, cost a third of a call of Buffer.write when written here.
function writeText(buffer: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > 64) return buffer.write(text, at);
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 127) return buffer.write(text, at);
    buffer[at + index] = code;
  }
  return length;
}

function writeUInt32(buffer: Buffer, value: number, at: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
  buffer[at + 2] = value >>> 16;
  buffer[at + 3] = value >>> 24;
}
