import { defineErrors } from '../../core/errors.ts';

/**
 * Where the archive's objects lie. Keys are relative paths with `/`; each part is at most 255 bytes, none is `.` or `..`.
 * All methods may be called at once, by any number of processes.
 *
 * Errors: `OBJECTS_EXISTS` (put: somebody stored that key before), `OBJECTS_NOT_FOUND` (get), `OBJECTS_UNAVAILABLE`
 * (retryable: disk full, network), `OBJECTS_BAD_KEY`.
 */
export interface ObjectStore {
  /**
   * Create-only: resolves when the bytes are durable under `key`, rejects with `OBJECTS_EXISTS` when the key is taken,
   * and never leaves a part of an object visible. `source` is bytes or the path of a local file. That stays as it is; but with
   * `consumed` the store may keep the file itself, without a copy: nobody writes to it any more, whatever came of the put, and
   * removes it where it is still there.
   */
  put(key: string, source: { path: string; consumed?: boolean } | Uint8Array): Promise<void>;
  /** Resolves when there is no such object, whether or not there was one. Only garbage is removed: what nothing refers to. */
  remove(key: string): Promise<void>;
  /** The whole object, or the bytes [start, end) of it. Callers bound what they ask for; whole objects are at most 64 MiB here. */
  get(key: string, range?: { start: number; end: number }): Promise<Uint8Array>;
  /** Keys under a prefix (a path ending in `/`, or '' for all) in ascending order, with sizes. Streams; holds one page at a time. */
  list(prefix: string): AsyncIterable<{ key: string; bytes: number }>;
  /** A path or URL under which a query engine reads `key` itself; undefined where it must go through `get`. */
  locate(key: string): string | undefined;
}

export const objectErrors = defineErrors('OBJECTS', {
  EXISTS: { message: 'The object {key} exists already' },
  NOT_FOUND: { message: 'There is no object {key}' },
  UNAVAILABLE: { message: 'The object store cannot serve {key} now: {reason}', retryable: true },
  BAD_KEY: { message: 'Not a valid object key: {key}' },
  NO_ADAPTER: {
    misuse: true,
    message: 'OBJECTS_URL {url}: this version stores objects only as files; leave OBJECTS_URL unset',
  },
});
