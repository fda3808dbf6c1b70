import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectStore } from './object-store.ts';

export type Row = Record<string, unknown>;

/** An engine that reads Parquet objects by SQL and knows nothing of who wrote them. One query at a time. */
export interface ParquetReader {
  /**
   * Rows of a query over the objects `keys`; it gets what stands behind FROM. What the engine cannot read in place is copied
   * beside it for so long. Rejects with the engine's own error where one of the objects cannot be read.
   */
  rows(keys: readonly string[], query: (files: string) => string): Promise<Row[]>;
  close(): Promise<void>;
}

const options = {
  threads: '2',
  memory_limit: '256MB',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
};

export async function openParquetReader(objects: ObjectStore): Promise<ParquetReader> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const folder = await mkdtemp(join(tmpdir(), 'prestacop-read-'));
  const instance = await DuckDBInstance.create(':memory:', { ...options, temp_directory: folder });
  const connection = await instance.connect();
  return {
    async rows(keys, query) {
      const copies: string[] = [];
      try {
        const paths: string[] = [];
        for (const [index, key] of keys.entries()) {
          let path = objects.locate(key);
          if (path === undefined) {
            path = join(folder, `${index}.parquet`);
            copies.push(path);
            await writeFile(path, await objects.get(key));
          }
          paths.push(path);
        }
        const files = `read_parquet([${paths.map(literal).join(', ')}])`;
        return (await connection.runAndReadAll(query(files))).getRowObjectsJS();
      } finally {
        for (const path of copies) await rm(path, { force: true });
      }
    },
    async close() {
      connection.closeSync();
      instance.closeSync();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A text as SQL writes it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
