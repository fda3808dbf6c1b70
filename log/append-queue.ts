import type { AppError } from '../core/errors.ts';
import { type Headers, type LogRecord, logErrors, maxRecordBytes } from './event-log.ts';
import { isMarkBlock } from './mark-block.ts';
import { isArchiveMark, recordBytes } from './record.ts';
import { BlockEncoder } from './segment-codec.ts';

/** Takes one block at a time and tells whether it is durable. The block's bytes belong to the sink until then. */
export type Sink = (block: Buffer, done: (error?: AppError) => void) => void;

interface Call {
  /** Records, of which those before `next` are encoded already, or a block from another process. */
  records: readonly LogRecord[];
  block: Uint8Array | undefined;
  next: number;
  resolve(): void;
  reject(error: AppError): void;
}

/** Bytes of one commit after which what waits is left to the next: bounds memory and the time of one write. */
const commitTargetBytes = 2 * 1024 * 1024;
const textMaxBytes = 64 * 1024;

/**
 * Group commit for one partition: while a block is on its way everything that arrives waits for the next one. Order is
 * that of the calls. A call larger than a commit spans several, and fails as a whole with the first that fails.
 */
export class AppendQueue {
  #sink: Sink | undefined;
  #calls: Call[] = [];
  #busy = false;
  #scheduled = false;
  #encoder = new BlockEncoder();
  #settledWaiters: (() => void)[] = [];

  /** Where blocks go from now on; undefined holds them back. The block on its way is settled by the sink that has it. */
  connect(sink: Sink | undefined): void {
    this.#sink = sink;
    this.#schedule();
  }

  get waiting(): number {
    return this.#calls.length;
  }

  push(records: readonly LogRecord[]): Promise<void> {
    return this.#enqueue(records, undefined);
  }

  pushBlock(block: Uint8Array): Promise<void> {
    return this.#enqueue([], block);
  }

  /** Resolves when no block is on its way. */
  async settled(): Promise<void> {
    if (this.#busy) await new Promise<void>(resolve => this.#settledWaiters.push(resolve));
  }

  /** Resolves when nothing waits and nothing is on its way. */
  async drained(): Promise<void> {
    while (this.#busy || this.#calls.length > 0) {
      await new Promise<void>(resolve => this.#settledWaiters.push(resolve));
    }
  }

  /** Rejects the blocks of other processes that wait. */
  dropBlocks(error: AppError): void {
    const blocks = this.#calls.filter(({ block }) => block !== undefined);
    this.#calls = this.#calls.filter(({ block }) => block === undefined);
    for (const call of blocks) call.reject(error);
  }

  /** Rejects everything that waits; the block on its way is left alone. */
  fail(error: AppError): void {
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) call.reject(error);
    for (const wake of this.#settledWaiters.splice(0)) wake();
  }

  #enqueue(records: readonly LogRecord[], block: Uint8Array | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#calls.push({ records, block, next: 0, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#busy || this.#scheduled || this.#sink === undefined || this.#calls.length === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#commit());
  }

  #commit(): void {
    this.#scheduled = false;
    const sink = this.#sink;
    if (sink === undefined || this.#calls.length === 0) return;
    this.#busy = true;
    const finished = this.#encode();
    const partial = this.#calls[0];
    sink(this.#encoder.finish(), error => {
      this.#encoder.reset();
      this.#busy = false;
      if (error === undefined) {
        for (const call of finished) call.resolve();
      } else {
        for (const call of finished) call.reject(error);
        if (partial !== undefined && partial.next > 0 && this.#calls[0] === partial) this.#calls.shift()!.reject(error);
      }
      this.#schedule();
      for (const wake of this.#settledWaiters.splice(0)) wake();
    });
  }

  /**
   * Encodes calls up to the limit of a commit, and gives those that are encoded whole. A mark of the archive goes in a
   * block of its own, which a full log takes.
   */
  #encode(): Call[] {
    let count = 0;
    for (const call of this.#calls) {
      if (this.#encoder.bytes >= commitTargetBytes) break;
      const isMark = isMarkCall(call);
      if (isMark && count > 0) break;
      if (call.block !== undefined) this.#encoder.addBlock(call.block);
      const { records } = call;
      while (call.next < records.length && this.#encoder.bytes < commitTargetBytes) {
        this.#encoder.add(records[call.next++]!);
      }
      if (call.next < records.length) break;
      count++;
      if (isMark) break;
    }
    return this.#calls.splice(0, count);
  }
}

function isMarkCall({ records, block }: Call): boolean {
  return block === undefined ? records.length === 1 && isArchiveMark(records[0]!) : isMarkBlock(block);
}

/** Throws `LOG_RECORD_TOO_LARGE` for a record above the port's limits. */
export function checkRecords(records: readonly LogRecord[]): void {
  let checked: Headers | undefined;
  for (const record of records) {
    if (record.headers !== checked) {
      checkText(headersLength(record.headers), () => recordBytes({ ...record, key: '', payload: new Uint8Array(0) }));
      checked = record.headers;
    }
    checkText(record.key.length, () => Buffer.byteLength(record.key));
    // Texts are at most 128 KiB here, so only large payloads need the exact count.
    if (record.payload.byteLength > maxRecordBytes - 2 * textMaxBytes && recordBytes(record) > maxRecordBytes) {
      throw logErrors.RECORD_TOO_LARGE({ bytes: recordBytes(record), maxBytes: maxRecordBytes });
    }
  }
}

function checkText(length: number, exactBytes: () => number): void {
  if (length * 3 <= textMaxBytes) return;
  const bytes = exactBytes();
  if (bytes > textMaxBytes) throw logErrors.RECORD_TOO_LARGE({ bytes, maxBytes: textMaxBytes });
}

function headersLength(headers: Headers): number {
  let length = 0;
  for (const name in headers) length += name.length + headers[name]!.length;
  return length;
}
