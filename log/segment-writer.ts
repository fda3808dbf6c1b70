import * as fs from 'node:fs';
import { open } from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { AppError } from '../core/errors.ts';
import { logErrors } from './event-log.ts';
import type { LogClock } from './log-clock.ts';
import { isMarkBlock } from './mark-block.ts';
import type { PartitionView } from './partition-view.ts';
import { stampBlock } from './segment-codec.ts';
import { segmentPath, syncFolder, type WriteCalls, writeAll } from './segment-files.ts';
import type { RecoveredPartition, Segment } from './segment-recovery.ts';

export interface SegmentWriterOptions {
  salt: number;
  segmentBytes: number;
  /** A segment whose first batch is older than this is followed by a new one at the next append. */
  segmentAgeMs: number;
  clock: LogClock;
  calls: WriteCalls;
  /** Asked before each block: an error refuses it, unless it is a mark of the archive. */
  refusal: () => AppError | undefined;
  /** Told after each block. */
  onSettled: (error: AppError | undefined) => void;
}

const openFile = promisify(open);

/**
 * A small block that makes a segment's file longer is written with zeros behind it, over which the next ones go: their
 * fdatasync writes a page or two and no journal (ext4: 0.15 ms for 0.20, and no wait for what others have in the journal).
 * Such a write takes 1.4 ms, seven times a second at 5,000 messages/s; with 1 MiB it would take 3.8.
 */
const zerosAheadBytes = 256 * 1024;
/** Larger blocks fill the zeros too soon to be worth writing twice. */
const smallBlockMaxBytes = 32 * 1024;

/** Writes one partition's segments. One block at a time; the caller waits for `done` before the next. */
export class SegmentWriter {
  readonly segments: Segment[];
  #view: PartitionView;
  #options: SegmentWriterOptions;
  #lastTimeMs: number;
  #fd: number | undefined;
  /** Length of the open file: what lies behind the segment's records is zeros. */
  #fileBytes = 0;
  /** True after a failed write: the newest segment is never written to again (L4). */
  #sealed = false;

  constructor(view: PartitionView, recovered: RecoveredPartition, options: SegmentWriterOptions) {
    this.#view = view;
    this.#options = options;
    this.segments = recovered.segments;
    this.#lastTimeMs = recovered.lastTimeMs;
    this.#publish(recovered.end);
  }

  /** `done` without an error: the block's records are durable, and readers have been told. */
  commit(block: Buffer, done: (error?: AppError) => void): void {
    const refused = this.#options.refusal();
    if (refused !== undefined && !isMarkBlock(block)) {
      done(refused);
      return;
    }
    if (this.#fd !== undefined && !this.#sealed && !this.#isFull()) {
      this.#write(this.#fd, block, done);
      return;
    }
    this.#begin().then(
      fd => this.#write(fd, block, done),
      error => this.#settle(done, error),
    );
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await new Promise<void>(resolve => this.#end(fd, this.segments.at(-1)!.bytes, resolve));
  }

  /** Takes segments that are to be deleted out of the list; at least the newest with records stays. */
  drop(count: number): Segment[] {
    const dropped = this.segments.splice(0, count);
    this.#publish(this.#view.end);
    return dropped;
  }

  #isFull(): boolean {
    const { bytes, firstTimeMs } = this.segments.at(-1)!;
    const { segmentBytes, segmentAgeMs } = this.#options;
    return bytes >= segmentBytes || (firstTimeMs !== undefined && this.#lastTimeMs - firstTimeMs > segmentAgeMs);
  }

  async #begin(): Promise<number> {
    await this.close();
    this.#fileBytes = 0;
    const { folder, end } = this.#view;
    const newest = this.segments.at(-1);
    if (newest !== undefined && !this.#sealed && (newest.base === end || !this.#isFull())) {
      this.#fd = await openFile(segmentPath(folder, newest.base), 'r+');
      return this.#fd;
    }
    const path = segmentPath(folder, end);
    // What a failed write left without a durable record: a file of that name is replaced, not written to again.
    if (newest?.base === end) this.segments.pop();
    await rm(path, { force: true });
    this.#fd = await openFile(path, 'wx');
    this.#sealed = true; // until its name is durable
    await syncFolder(folder, this.#options.calls);
    this.#sealed = false;
    this.segments.push({ base: end, bytes: 0, firstTimeMs: undefined });
    return this.#fd;
  }

  #write(fd: number, block: Buffer, done: (error?: AppError) => void): void {
    const { salt, clock, calls } = this.#options;
    const segment = this.segments.at(-1)!;
    const timeMs = clock.stamp(this.#lastTimeMs);
    const end = this.#view.end + stampBlock(block, this.#view.end, timeMs, salt);
    this.#lastTimeMs = timeMs;
    const settled = (error?: Error | null) => {
      if (error) {
        this.#sealed = true;
        this.#fd = undefined;
        this.#end(fd, segment.bytes, () => this.#settle(done, error));
        return;
      }
      segment.bytes += block.length;
      segment.firstTimeMs ??= timeMs;
      this.#publish(end);
      this.#settle(done);
    };
    const bytes = this.#withZeros(block, segment.bytes);
    this.#fileBytes = Math.max(this.#fileBytes, segment.bytes + bytes.length);
    writeAll(calls, fd, bytes, segment.bytes, error => {
      if (error) settled(error);
      else calls.fdatasync(fd, settled);
    });
  }

  #withZeros(block: Buffer, position: number): Buffer {
    const length = Math.min(zerosAheadBytes, this.#options.segmentBytes - position);
    const fits = position + block.length <= this.#fileBytes;
    if (fits || block.length > smallBlockMaxBytes || block.length >= length) return block;
    const bytes = Buffer.alloc(length);
    block.copy(bytes);
    return bytes;
  }

  /** Cuts off zeros, and what may not be durable. Where even that fails, the next segment's name says where this one ends. */
  #end(fd: number, bytes: number, done: () => void): void {
    if (this.#fileBytes <= bytes) fs.close(fd, done);
    else fs.ftruncate(fd, bytes, () => fs.close(fd, done));
  }

  #settle(done: (error?: AppError) => void, cause?: Error): void {
    const error = cause && logErrors.UNAVAILABLE({ reason: cause.message, stream: this.#view.stream }, cause);
    this.#options.onSettled(error);
    done(error);
  }

  #publish(end: number): void {
    this.#view.update({
      earliest: this.segments[0]?.base ?? end,
      end,
      activeBase: this.segments.at(-1)?.base ?? end,
      bytes: this.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    });
  }
}
