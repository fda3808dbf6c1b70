import { AppError, defineErrors } from '../core/errors.ts';

/** Record headers as text. Names in use: `topic`, `kind`, `node`, `receivedAtMs`, `contentType`, `mark`, and those of `rejected`. */
export type Headers = Readonly<Record<string, string>>;

export interface LogRecord {
  /** Decides the partition (murmur2 as in Kafka's default partitioner); '' for marks. UTF-8, at most 64 KiB. */
  key: string;
  /**
   * At most 64 KiB together. Records that share one headers object are encoded once, so a writer that stamps many
   * records alike should pass the same object.
   */
  headers: Headers;
  payload: Uint8Array;
}

export interface StoredRecord extends LogRecord {
  offset: bigint;
  /** The log's own clock (L2): never runs backwards within a partition of the embedded log. UTC milliseconds. */
  timeMs: number;
}

export interface RecordBatch {
  stream: string;
  partition: number;
  /** Ascending offsets, at least one record. Marks are among them: a reader skips records with the header `mark`. */
  records: readonly StoredRecord[];
  /** Where the next batch begins: the offset to commit once these records are done with. */
  nextOffset: bigint;
}

export interface GroupBatch extends RecordBatch {
  /** Makes `nextOffset` the group's position. Positions serve lag, retention and a restart; at least once, never less. */
  commit(): Promise<void>;
}

export interface PartitionEnds {
  partition: number;
  /** Names this incarnation of the log (L1): embedded the ULID in `log/id`, Kafka the topic's id. */
  logId: string;
  /** The first offset still held. */
  earliest: bigint;
  /** The offset after the last durable record (L3). */
  end: bigint;
}

export interface GroupOptions {
  /** The reader's name; each group reads everything, independent of the others. */
  group: string;
  signal: AbortSignal;
  /** Where to begin a partition when it is assigned, in place of the committed position; undefined: from there, or from the start. */
  from?: (partition: number, ends: PartitionEnds) => Promise<bigint | undefined>;
  /** Upper bound on the bytes of one batch's records; one larger record still comes, alone. Default 4 MiB. */
  maxBatchBytes?: number;
  /**
   * True: payloads hold only until the next batch is asked for, so that the adapter may use their memory again. Default false.
   * For who reads much: new memory for every MiB costs as much in garbage collection as all the rest.
   */
  reuse?: boolean;
}

/**
 * The event log: the truth that everything else is a view of. All methods may be called at once.
 *
 * Errors: `LOG_UNAVAILABLE` (retryable: whether the records are in the log is unknown, send them again),
 * `LOG_FULL` (retryable, nothing stored), `LOG_RECORD_TOO_LARGE`, `LOG_UNKNOWN_STREAM`, `LOG_GAP` (records between
 * `detail.from` and `detail.to` are gone or damaged), `LOG_CLOSED`.
 */
export interface EventLog {
  /**
   * Resolves when every record is durable: fsynced in the embedded log, acks=all in Kafka. Appends to one partition
   * are stored in the order of the calls. An empty array resolves at once. With `partition` the key is not asked. One
   * record above the limits fails the whole call with `LOG_RECORD_TOO_LARGE`, and nothing of it is stored.
   */
  append(stream: string, records: readonly LogRecord[], partition?: number): Promise<void>;
  /**
   * Reads as a member of a group until `signal` aborts (the iterator then ends, it does not throw). A slow consumer
   * holds back reading; at most one batch a partition is buffered.
   */
  read(stream: string, options: GroupOptions): AsyncIterable<GroupBatch>;
  /**
   * Reads one partition from `offset` without a group: to `until` (exclusive) where given, else for ever until `signal` aborts.
   * `reuse` as in `read`. An offset before the earliest held, or past the end, throws `LOG_GAP`.
   */
  fetch(
    stream: string,
    partition: number,
    offset: bigint,
    options: { signal: AbortSignal; until?: bigint; maxBatchBytes?: number; reuse?: boolean },
  ): AsyncIterable<RecordBatch>;
  /** One entry a partition, ascending. A stream that nothing was appended to has partitions with earliest = end = 0. */
  ends(stream: string): Promise<readonly PartitionEnds[]>;
  /** The groups' committed positions on a stream, for lag, retention and `/metrics`. */
  groups(stream: string): Promise<readonly { group: string; partition: number; offset: bigint }[]>;
  close(): Promise<void>;
}

/** Largest key + headers + payload of one record that every adapter stores. */
export const maxRecordBytes = 4 * 1024 * 1024;

export const logErrors = defineErrors('LOG', {
  UNAVAILABLE: { message: 'The log cannot take or give records now: {reason}', retryable: true },
  FULL: {
    message: 'The log holds {bytes} bytes, its limit LOG_MAX_BYTES is {maxBytes}; {reason}',
    retryable: true,
  },
  RECORD_TOO_LARGE: { message: 'A record of {bytes} bytes exceeds the largest that the log stores, {maxBytes}' },
  UNKNOWN_STREAM: { message: 'There is no stream "{stream}"; the table is in core/streams.ts' },
  GAP: { message: 'Stream {stream} partition {partition} lacks the offsets {from} to {to} (exclusive)' },
  OWNED: { message: 'Another bridge writes the log in {dataDir} (process {pid}): stop it, or choose another DATA_DIR' },
  PARTITIONS: { message: 'Stream {stream} has {partitions} partitions, fixed when it was created, and not {wanted}' },
  NO_ADAPTER: { misuse: true, message: 'LOG_URL {url}: this version has only the embedded log; leave LOG_URL unset' },
  DATA_DIR: { misuse: true, message: 'DATA_DIR {dataDir} cannot hold the log: {reason}' },
  IDENTITY: {
    message:
      '{path} is missing or damaged, and without it the records of this log cannot be read: put it back from a copy, ' +
      'or move the log folder away (the archive keeps what it has)',
  },
  CLOSED: { message: 'The log is closed' },
});

/** A foreign error (file system, SQLite, socket) as `LOG_UNAVAILABLE`; a coded one as it is. */
export function asLogError(error: unknown): AppError {
  return error instanceof AppError ? error : logErrors.UNAVAILABLE({ reason: String(error) }, error);
}
