import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ledgerFolder } from '../../core/ledger.ts';

export interface PictureCount {
  droneId: string;
  kind: string;
  made: number;
  acknowledged: number;
  refused: number;
  waiting: number;
}

export interface PictureRow {
  id: number;
  droneId: string;
  kind: string;
  imageId: string;
  file: number;
  position: number;
  length: number;
}

function read<T>(path: string, sql: string): T[] {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    return database.prepare(sql).all() as T[];
  } finally {
    database.close();
  }
}

export const fleetPath = (dataDir: string) => join(ledgerFolder(dataDir), 'fleet.sqlite');

export function pictureCounts(path: string): PictureCount[] {
  return read(
    path,
    `select drone_id as droneId, kind, made, acknowledged, refused,
       (select count(*) from picture where picture.drone_id = c.drone_id and picture.kind = c.kind) as waiting
     from picture_count c order by drone_id, kind`,
  );
}

export function pictureRows(path: string): PictureRow[] {
  return read(
    path,
    'select id, drone_id as droneId, kind, lower(hex(image_id)) as imageId, file, position, length from picture order by id',
  );
}

/** D1: the bytes of every picture that a row names are there, whole. Returns how many were checked. */
export function assertPicturesWhole(path: string): number {
  const rows = pictureRows(path);
  for (const { imageId, file, position, length } of rows) {
    const bytes = readFileSync(join(path.replace(/\.sqlite$/, '.pictures'), String(file)));
    assert.equal(hash('sha256', bytes.subarray(position, position + length)), imageId);
  }
  return rows.length;
}
