import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** The one Parquet engine of this process, as a job has it for itself. */
export interface ParquetEngine {
  /** A new path for a temporary file, which the job removes. */
  temporary(suffix: string): string;
  /** Writes the rows of a query, in their order, as one zstd file with that footer. */
  write(query: string, path: string, footer: Readonly<Record<string, string>>): Promise<void>;
  readFooter(path: string): Promise<Record<string, string>>;
  /** The rows of a query in portions. */
  rows(query: string): AsyncIterable<readonly (readonly unknown[])[]>;
}

export interface ParquetWriter {
  /** Runs `job` alone; others wait for their turn. */
  exclusive<T>(job: (engine: ParquetEngine) => Promise<T>): Promise<T>;
  /** Call it when no job runs any more. */
  close(): Promise<void>;
}

const staleAfterMs = 3_600_000;
/**
 * Row groups as DuckDB makes them by itself (122,880 rows) compress up to 15 % better and take 100 MiB more to write. The
 * smaller dictionaries save 20 MiB, level 1 (of default 3) a tenth of the time, and neither a byte of the object.
 */
const layout = [
  'compression zstd',
  'compression_level 1',
  'row_group_size 16384',
  "row_group_size_bytes '16MB'",
  'string_dictionary_page_size_limit 262144',
].join(', ');
/**
 * DuckDB's memory grows from file to file (90 MiB after a few runs) and is given back when it is closed, so it is opened anew
 * after this much (one run of 10 minutes of 20 drones takes 45 MiB), and closed soon after the last of some small runs:
 * opening takes 20 ms of CPU, and packs may come every second.
 */
const keptMaxBytes = 512 * 1024;
const idleMs = 1500;

/** DuckDB as a Parquet writer on one thread, there only while there is something to write. */
export async function openParquetWriter(parent: string, memoryBytes: number): Promise<ParquetWriter> {
  await mkdir(parent, { recursive: true });
  await sweep(parent);
  const folder = await mkdtemp(join(parent, 'run-'));
  let waiting = 0;
  let turn: Promise<unknown> = Promise.resolve();
  let opened: { instance: DuckDBInstance; connection: DuckDBConnection } | undefined;
  let files = 0;
  let idle: NodeJS.Timeout | undefined;
  let writtenBytes = 0;

  async function open() {
    // Another archiver's sweep may have taken the folder of one that was idle for long.
    await mkdir(folder, { recursive: true });
    // Not before there is something to write: loading it takes longer than everything else at the start.
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: `${Math.floor(memoryBytes / 1024)}KiB`,
      temp_directory: join(folder, 'spill'),
      // On one thread the order stays anyway, and the groups are written as they fill.
      preserve_insertion_order: 'false',
      enable_external_file_cache: 'false',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    const connection = await instance.connect();
    await connection.run("set TimeZone = 'UTC'");
    return { instance, connection };
  }

  function close(): void {
    clearTimeout(idle);
    opened?.connection.closeSync();
    opened?.instance.closeSync();
    opened = undefined;
    writtenBytes = 0;
  }

  const engine: ParquetEngine = {
    temporary: suffix => join(folder, `${++files}${suffix}`),
    async write(query, path, footer) {
      const pairs = Object.entries(footer).map(([name, value]) => `"${name}": ${literal(value)}`);
      await opened!.connection.run(
        `copy (${query}) to ${literal(path)} (format parquet, ${layout}, kv_metadata {${pairs.join(', ')}})`,
      );
      writtenBytes += (await stat(path)).size;
    },
    async readFooter(path) {
      const reader = await opened!.connection.runAndReadAll(
        `select decode(key), decode(value) from parquet_kv_metadata(${literal(path)})`,
      );
      return Object.fromEntries(reader.getRowsJS() as [string, string][]);
    },
    async *rows(query) {
      yield* (await opened!.connection.stream(query)).yieldRowsJs();
    },
  };

  return {
    exclusive(job) {
      waiting++;
      const result = turn.then(async () => {
        try {
          clearTimeout(idle);
          opened ??= await open();
          return await job(engine);
        } catch (error) {
          close();
          throw error;
        } finally {
          waiting--;
          if (writtenBytes > keptMaxBytes) close();
          else if (waiting === 0) idle = setTimeout(close, idleMs);
        }
      });
      turn = result.catch(() => {}); // the caller hears of it
      return result;
    },
    async close() {
      await turn;
      close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > staleAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
