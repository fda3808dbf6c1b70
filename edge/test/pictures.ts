import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { ledgerFolder } from '../../core/ledger.ts';
import type { Draft, NumberedKind, PictureKind } from '../drone.ts';
import { type Outbox, type OutboxOptions, openOutbox } from '../outbox.ts';
import type { DroneOutbox } from '../outbox-drone.ts';
import type { DurablePicture } from '../outbox-entry.ts';
import type { Outgoing } from '../sending.ts';

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

const ids = [
  { droneId: 'nyc-0001', fleet: 'nyc' },
  { droneId: 'nyc-0002', fleet: 'nyc' },
];
export const draft = (kind: NumberedKind): Draft => ({ kind, observedAtMs: 1_795_605_600_000, body: {} });

/** The outbox of two drones, closed when the test ends. */
export function openPair(t: TestContext, dataDir: string, options: Partial<OutboxOptions> = {}) {
  const outbox = openOutbox(fleetPath(dataDir), { maxBytes: 1e9, ...options });
  let closed = false;
  const close = () => {
    if (!closed) outbox.close();
    closed = true;
  };
  t.after(close);
  const [first, second] = outbox.addDrones(ids);
  return { outbox, first: first!, second: second!, close };
}

/** Pictures of random bytes, in the outbox's files. */
export async function durable(outbox: Outbox, kind: PictureKind, count = 1, bytes = 1000): Promise<DurablePicture[]> {
  const pictures = Array.from({ length: count }, () => randomBytes(bytes));
  const places = await outbox.files.append(pictures);
  return pictures.map((picture, index) => ({ kind, imageId: hash('sha256', picture), place: places[index]! }));
}

export function takeAll(outbox: Outbox, drone: DroneOutbox): Outgoing[] {
  const messages: Outgoing[] = [];
  for (let next = outbox.take(drone); next !== undefined; next = outbox.take(drone)) messages.push(next);
  return messages;
}

export const kindsOf = (messages: readonly Outgoing[]) => messages.map(({ kind }) => kind).join(' ');

/** Sends and acknowledges one after the other until nothing is left. */
export function drain(outbox: Outbox, drone: DroneOutbox): Outgoing[] {
  const messages: Outgoing[] = [];
  for (let next = outbox.take(drone); next !== undefined; next = outbox.take(drone)) {
    messages.push(next);
    outbox.acknowledged(drone, next);
  }
  outbox.write([]);
  return messages;
}
