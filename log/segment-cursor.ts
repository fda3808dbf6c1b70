import { type FileHandle, open } from 'node:fs/promises';
import { asLogError } from './event-log.ts';
import {
  type BatchHead,
  batchHeadBytes,
  decodeBatch,
  isIntact,
  magicBytes,
  readHead,
  type Taking,
} from './segment-codec.ts';
import { segmentPath } from './segment-files.ts';

const smallReadBytes = 64 * 1024;
const largeReadBytes = 1024 * 1024;
const indexSpacingBytes = 1024 * 1024;

/**
 * Walks the batches of one segment file, reading ahead by at most 1 MiB (or one batch, where that is larger). Records are views
 * of its buffers, so those are not used twice, but with `reuse`: then what was decoded holds until the next `peek` that reads.
 */
export class SegmentCursor {
  readonly base: number;
  /** Byte at which the next batch begins. */
  position = 0;
  #handle: FileHandle;
  #salt: number;
  #reuse: boolean;
  #buffer: Buffer = Buffer.alloc(0);
  #chunk: Buffer = Buffer.alloc(0);
  #chunkStart = 0;
  #readBytes = smallReadBytes;
  #head: BatchHead | undefined;

  private constructor(base: number, handle: FileHandle, salt: number, reuse: boolean) {
    this.base = base;
    this.#handle = handle;
    this.#salt = salt;
    this.#reuse = reuse;
  }

  static async open(folder: string, base: number, salt: number, reuse = false): Promise<SegmentCursor> {
    return new SegmentCursor(base, await open(segmentPath(folder, base), 'r'), salt, reuse);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /**
   * The next batch, if it holds `offset`; undefined at the end of the file and where the bytes are damaged.
   * `verify: false` leaves the checksum out: for walking over batches that are not wanted.
   */
  async peek(offset: number, verify = true): Promise<BatchHead | undefined> {
    this.#head = undefined;
    if (!(await this.#load(batchHeadBytes))) return undefined;
    const head = readHead(this.#chunk, this.position - this.#chunkStart);
    if (head === undefined || offset < head.firstOffset || offset >= head.firstOffset + head.count) return undefined;
    if (verify) {
      if (!(await this.#load(batchHeadBytes + head.bodyBytes))) return undefined;
      if (!isIntact(this.#chunk, this.position - this.#chunkStart, head, this.#salt)) return undefined;
    }
    this.#head = head;
    return head;
  }

  /** Whether the next batch is in memory as a whole, so that `peek` reads nothing. */
  get buffered(): boolean {
    const at = this.position - this.#chunkStart;
    const head = readHead(this.#chunk, at);
    return head !== undefined && at + batchHeadBytes + head.bodyBytes <= this.#chunk.length;
  }

  /** Drops what was read ahead: past the durable end it may have been read while it was being written. */
  forget(): void {
    this.#chunk = this.#chunk.subarray(0, 0);
    this.#chunkStart = this.position;
    this.#readBytes = smallReadBytes; // a reader that waits wants little: behind it lie zeros, not records
  }

  /** Decodes the batch that `peek` verified. */
  decode(taking: Taking): void {
    decodeBatch(this.#chunk, this.position - this.#chunkStart, this.#head!, taking);
  }

  /** Goes to the batch after the one that `peek` gave. */
  skip(): void {
    this.position += batchHeadBytes + this.#head!.bodyBytes;
  }

  /** Goes to the first intact batch from here on with an offset above `above`, over damaged bytes; undefined: there is none. */
  async resync(above: number): Promise<BatchHead | undefined> {
    while (await this.#load(batchHeadBytes)) {
      const at = this.#chunk.indexOf(magicBytes, this.position - this.#chunkStart);
      if (at < 0) {
        this.position = Math.max(this.position + 1, this.#chunkStart + this.#chunk.length - magicBytes.length + 1);
        continue;
      }
      this.position = this.#chunkStart + at;
      if (!(await this.#load(batchHeadBytes))) return undefined;
      const head = readHead(this.#chunk, this.position - this.#chunkStart);
      if (head !== undefined && head.firstOffset > above && (await this.peek(head.firstOffset)) !== undefined)
        return head;
      this.position++;
    }
    return undefined;
  }

  /** Goes as near before `offset` as the index knows. Gives the offset of the batch there. */
  seek(index: readonly number[] | undefined, offset: number): number {
    let found = this.base;
    this.position = 0;
    for (let at = 0; index !== undefined && at < index.length && index[at]! <= offset; at += 2) {
      found = index[at]!;
      this.position = index[at + 1]!;
    }
    return found;
  }

  /** Adds the present position to a sparse index, if it is far enough behind the last entry. */
  remember(index: number[], offset: number): void {
    if (this.position >= (index.at(-1) ?? 0) + indexSpacingBytes) index.push(offset, this.position);
  }

  /** Makes `bytes` from the position on available; false when the file ends before. */
  async #load(bytes: number): Promise<boolean> {
    const at = this.position - this.#chunkStart;
    if (at >= 0 && at + bytes <= this.#chunk.length) return true;
    const wanted = Math.max(bytes, this.#readBytes);
    const usedAgain = this.#reuse && this.#buffer.length >= wanted;
    const chunk = usedAgain ? this.#buffer.subarray(0, wanted) : Buffer.allocUnsafeSlow(wanted);
    if (this.#reuse && !usedAgain) this.#buffer = chunk;
    // What is left of the old chunk is read again: the file may have grown over it since.
    let filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await this.#handle
        .read(chunk, filled, wanted - filled, this.position + filled)
        .catch(error => {
          throw asLogError(error);
        });
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    this.#chunk = chunk.subarray(0, filled);
    this.#chunkStart = this.position;
    this.#readBytes = filled === wanted ? largeReadBytes : smallReadBytes;
    return filled >= bytes;
  }
}
