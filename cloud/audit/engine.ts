import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBAppender, DuckDBInstance } from '@duckdb/node-api';
import type { ObjectStore } from '../archive/object-store.ts';
import type { ArchivedObject, Damage } from './archive-listing.ts';

export type Row = Record<string, unknown>;

/**
 * The audit's own query engine, which knows nothing of the archive but its files. One query at a time. What does not fit into
 * its memory it spills beside itself. An abort ends the query that runs.
 */
export interface Engine {
  rows(query: string): Promise<Row[]>;
  /**
   * Runs `query` over the Parquet objects in portions, where `files` stands for what `read_parquet` takes. Names those
   * that cannot be read, and goes on.
   */
  each(
    from: readonly ArchivedObject[],
    query: (files: string) => string,
    visit?: (row: Row) => void,
  ): Promise<Damage[]>;
  appender(table: string): Promise<DuckDBAppender>;
  close(): Promise<void>;
}

const portionObjects = 32;
const options = {
  threads: '2',
  memory_limit: '256MB',
  preserve_insertion_order: 'false',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
};

export async function openEngine(objects: ObjectStore, signal: AbortSignal): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'prestacop-audit-'));
  const instance = await DuckDBInstance.create(':memory:', { ...options, temp_directory: join(folder, 'spill') });
  const connection = await instance.connect();
  const interrupt = () => connection.interrupt();
  signal.addEventListener('abort', interrupt);

  async function rows(query: string): Promise<Row[]> {
    signal.throwIfAborted();
    try {
      return (await connection.runAndReadAll(query)).getRowObjectsJS();
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  /** What the engine cannot read in place is copied beside it for so long. */
  async function rowsOf(keys: readonly string[], query: (files: string) => string): Promise<Row[]> {
    const copies: string[] = [];
    try {
      const paths: string[] = [];
      for (const [index, key] of keys.entries()) {
        let path = objects.locate(key);
        if (path === undefined) {
          path = join(folder, `${index}.parquet`);
          await writeFile(path, await objects.get(key));
          copies.push(path);
        }
        paths.push(path);
      }
      return await rows(query(`[${paths.map(literal).join(', ')}]`));
    } finally {
      for (const path of copies) await rm(path);
    }
  }

  return {
    rows,
    async each(from, query, visit = () => {}) {
      const damaged: Damage[] = [];
      for (const portion of portions(from)) {
        const keys = portion.map(({ key }) => key);
        try {
          (await rowsOf(keys, query)).forEach(visit);
        } catch {
          // One of them: read each alone, so that it is named and the others count.
          for (const key of keys) {
            try {
              (await rowsOf([key], query)).forEach(visit);
            } catch (error) {
              signal.throwIfAborted();
              damaged.push({ object: key, problem: (error as Error).message.split('\n')[0]! });
            }
          }
        }
      }
      return damaged;
    },
    appender: table => connection.createAppender(table),
    async close() {
      signal.removeEventListener('abort', interrupt);
      connection.closeSync();
      instance.closeSync();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function* portions(objects: readonly ArchivedObject[]): Iterable<readonly ArchivedObject[]> {
  for (let at = 0; at < objects.length; at += portionObjects) yield objects.slice(at, at + portionObjects);
}

export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

export function parquet(files: string): string {
  return `read_parquet(${files}, union_by_name = true)`;
}
