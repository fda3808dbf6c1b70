import { hash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { defineErrors } from '../core/errors.ts';
import { newUlid } from '../core/ids.ts';
import type { NumberedKind, Truth } from './drone.ts';
import { type DroneOutbox, type DroneSettings, openDrone } from './outbox-drone.ts';
import {
  type DoneCommand,
  type DurablePicture,
  type Entry,
  insertEntry,
  type Outcome,
  readTruth,
} from './outbox-entry.ts';
import { renewIdentity, sameOutbox } from './outbox-identity.ts';
import { removeAcknowledged, saveCount, saveDrone } from './outbox-ledger.ts';
import { isFull, openOutboxDatabase, prepareStatements, rowBytes } from './outbox-statements.ts';
import { fileMaxBytes, type Named, openPictureFiles, type PictureFiles } from './picture-files.ts';
import { isPicture, type Kind, type Message, type Outgoing, type Picture } from './sending.ts';

export const outboxErrors = defineErrors('EDGE', {
  OUTBOX_IN_USE: { message: 'Another edge process flies the drones of {path}: stop it, or choose another DATA_DIR' },
  OUTBOX_FAILED: { message: 'The outbox {path} cannot be opened: {reason}' },
});

/** Totals over all drones, epochs and kinds of the file, pictures included. */
export interface OutboxCounts {
  made: number;
  acknowledged: number;
  refused: number;
  waiting: number;
  waitingBytes: number;
}

/**
 * Messages and pictures on disk until their PUBACK: SQLite, WAL, `synchronous=FULL`, and files of pictures beside it (D1).
 * One process writes (`EDGE_OUTBOX_IN_USE`); others, as the audit, may read the files meanwhile.
 */
export interface Outbox {
  readonly path: string;
  readonly files: PictureFiles;
  /** Registers drones, or finds what an earlier run left of them; in their order. */
  addDrones(drones: readonly { droneId: string; fleet: string }[]): DroneOutbox[];
  /**
   * One transaction: numbers and stores the entries, in their order, and removes what was acknowledged since the call
   * before. An entry that finds no room gets no number and is counted; those are returned. Frames find room up to 80 % of
   * the limit, telemetry up to 90 %. Never throws for a full disk.
   */
  write(entries: readonly Entry[]): readonly Entry[];
  /**
   * The next message to send by kind and age (D4, D5), which is then in flight; undefined when there is none to send now.
   * Frames stay where they are while the drone's are switched off (B6).
   */
  take(drone: DroneOutbox): Outgoing | undefined;
  /** The connection is gone: what was in flight is taken again, in the same order. */
  lostConnection(drone: DroneOutbox): void;
  /** The PUBACK came: out of memory now, off the disk with the next `write`. Until then it may be sent once more. */
  acknowledged(drone: DroneOutbox, message: Outgoing): void;
  /** Whether there is room, with some to spare: a drone that holds may go on. */
  hasRoom(): boolean;
  /** Whether frames of so many bytes would find room now. */
  hasRoomForFrames(bytes: number): boolean;
  /** Counts frames that were not taken for want of room. */
  refuseFrames(drone: DroneOutbox, count: number): void;
  /** Stored with the next `write`. */
  changeSettings(drone: DroneOutbox, settings: Partial<DroneSettings>): void;
  doneCommand(droneId: string, commandId: string): DoneCommand | undefined;
  /** What is behind a violation, as long as it is remembered. */
  truthOf(droneId: string, epoch: string, seq: number): Truth | undefined;
  lowestUnacknowledged(drone: DroneOutbox, kind: NumberedKind): number | undefined;
  backlog(drone: DroneOutbox): { messages: number; bytes: number };
  /** Messages of drones that were not added: they stay, and nobody sends them. */
  waitingOfOthers(): number;
  counts(): Readonly<OutboxCounts>;
  /** Not while `files.append` runs. */
  close(): void;
}

/** Shares of the limit up to which there is room; violations with their images and acks find it up to all of it. */
const roomShare: Record<Kind, number> = { frame: 0.8, telemetry: 0.9, image: 1, violation: 1, ack: 1 };
/** A drone that holds goes on when the outbox is emptier than this. */
const roomAgainShare = 0.9;
/** A file of pictures is not larger than this share of the limit: what was sent keeps its room until its file is full. */
const fileShare = 1 / 16;
/** Acknowledged and still on disk; only a full disk lets so many gather, and sending then waits. */
const removalsMax = 10_000;

export interface OutboxOptions {
  maxBytes: number;
  /** Hears of the first picture of a file that cannot be read or is not what it was; it is given up, and sending goes on. */
  onDamaged?: (picture: Picture, error: Error) => void;
  /** Only tests give other ones. */
  newEpoch?: () => string;
  openDatabase?: typeof openOutboxDatabase;
  openFiles?: typeof openPictureFiles;
}

export function openOutbox(path: string, options: OutboxOptions): Outbox {
  const { maxBytes, onDamaged = () => {}, newEpoch = newUlid } = options;
  const { lock, database, sql, files } = openAll(path, options);
  const drones = new Map<string, DroneOutbox>();
  const counts = { ...(sql.counts.get() as unknown as OutboxCounts) };
  let removals: (Message | Picture)[] = [];
  let diskFull = false;
  const changedCounts = new Map<DroneOutbox, Set<Kind>>();
  const changedDrones = new Set<DroneOutbox>();
  const damagedFiles = new Set<number>();

  function touch(drone: DroneOutbox, kind: Kind): void {
    const kinds = changedCounts.get(drone) ?? new Set();
    changedCounts.set(drone, kinds.add(kind));
  }

  function refuse(drone: DroneOutbox, kind: Kind, count = 1): void {
    drone.refused[kind] += count;
    counts.refused += count;
    touch(drone, kind);
  }

  /** False when the disk is full and nothing was written. */
  function transaction(work: () => void): boolean {
    try {
      database.exec('begin immediate');
      work();
      database.exec('commit');
      return true;
    } catch (error) {
      if (database.isTransaction) database.exec('rollback');
      if (!isFull(error)) throw error;
      return false;
    }
  }

  function refuseEntry({ drone, draft, ack }: Entry, pictures: readonly DurablePicture[]): void {
    refuse(drone, draft.kind);
    if (ack !== undefined) refuse(drone, ack.kind);
    if (draft.scene !== undefined && pictures.length === 0) refuse(drone, 'image');
    for (const { kind } of pictures) refuse(drone, kind);
  }

  function write(entries: readonly Entry[]): readonly Entry[] {
    if (entries.length === 0 && removals.length === 0 && changedCounts.size === 0 && changedDrones.size === 0)
      return [];
    const outcomes = new Map<Entry, Outcome>();
    let bytes = 0;
    const fits = (kind: Kind, more: number) => counts.waitingBytes + bytes + more <= maxBytes * roomShare[kind];
    diskFull = !transaction(() => {
      removeAcknowledged(sql, removals);
      for (const entry of entries) {
        const outcome = insertEntry(sql, entry, fits);
        outcomes.set(entry, outcome);
        bytes += outcome.bytes;
        if (outcome.rows.length === 0) refuseEntry(entry, outcome.dropped);
        else for (const { kind } of outcome.dropped) refuse(entry.drone, kind);
        for (const { kind } of outcome.rows) touch(entry.drone, kind);
      }
      for (const [drone, kinds] of changedCounts) for (const kind of kinds) saveCount(sql, drone, kind);
      for (const drone of changedDrones) saveDrone(sql, drone);
    });
    if (diskFull) {
      for (const entry of entries) undo(entry, outcomes.get(entry));
      return entries;
    }

    const removed = removals;
    removals = [];
    changedCounts.clear();
    changedDrones.clear();
    counts.waitingBytes += bytes;
    for (const row of removed) {
      counts.waitingBytes -= bytesOf(row) + rowBytes;
      if (isPicture(row)) files.release(row.place);
    }
    for (const [{ drone }, { rows, dropped }] of outcomes) {
      for (const row of rows) drone.sending.stored(row);
      counts.made += rows.length;
      counts.waiting += rows.length;
      for (const { place } of dropped) files.release(place);
    }
    return entries.filter(entry => outcomes.get(entry)!.rows.length === 0);
  }

  /** The transaction was rolled back: nothing of the entry is stored, and what it has not counted as refused is now. */
  function undo(entry: Entry, outcome: Outcome | undefined): void {
    const { drone, pictures = [] } = entry;
    for (const { kind } of outcome?.rows ?? []) drone.made[kind]--;
    for (const { place } of pictures) files.release(place);
    if (outcome?.rows.length === 0) return;
    refuseEntry(
      entry,
      pictures.filter(picture => outcome?.dropped.includes(picture) !== true),
    );
  }

  /** The picture's bytes when they are what they were; else it is given up: named still, and without PUBACK. */
  function read(drone: DroneOutbox, picture: Picture): Buffer | undefined {
    try {
      const payload = files.read(picture.place);
      if (hash('sha256', payload) === picture.imageId) return payload;
      throw new Error('its bytes are not those that were written');
    } catch (error) {
      if (!damagedFiles.has(picture.place.file)) onDamaged(picture, error as Error);
      damagedFiles.add(picture.place.file);
      drone.sending.acknowledged(picture, performance.now());
      removals.push(picture);
      counts.waiting--;
      return undefined;
    }
  }

  return {
    path,
    files,
    addDrones(wanted) {
      let added: DroneOutbox[] = [];
      const room = transaction(() => {
        added = wanted.map(({ droneId, fleet }) => openDrone(sql, droneId, fleet, newEpoch));
      });
      if (!room) throw outboxErrors.OUTBOX_FAILED({ path, reason: 'the disk is full' });
      for (const drone of added) drones.set(drone.droneId, drone);
      return added;
    },
    write,
    take(drone) {
      while (removals.length < removalsMax) {
        const row = drone.sending.take(performance.now(), drone.settings.frames !== false);
        if (row === undefined || !isPicture(row)) return row;
        const payload = read(drone, row);
        if (payload !== undefined) return { ...row, payload };
      }
      return undefined;
    },
    lostConnection: ({ sending }) => sending.lostConnection(),
    acknowledged(drone, message) {
      const row = drone.sending.acknowledged(message, performance.now());
      if (row === undefined) return;
      if (isPicture(row)) {
        drone.acknowledged[row.kind]++;
        touch(drone, row.kind);
      }
      removals.push(row);
      counts.acknowledged++;
      counts.waiting--;
    },
    hasRoom: () => !diskFull && counts.waitingBytes < maxBytes * roomAgainShare,
    hasRoomForFrames: bytes =>
      !diskFull && counts.waitingBytes + bytes <= maxBytes * roomShare.frame && files.bytes + bytes <= maxBytes,
    refuseFrames: (drone, count) => refuse(drone, 'frame', count),
    changeSettings(drone, settings) {
      Object.assign(drone.settings, settings);
      changedDrones.add(drone);
    },
    doneCommand: (droneId, commandId) => {
      const row = sql.done.get(droneId, commandId) as
        | { outcome: DoneCommand['outcome']; note: string | null }
        | undefined;
      return row === undefined ? undefined : { commandId, outcome: row.outcome, note: row.note ?? undefined };
    },
    truthOf: (droneId, epoch, seq) => readTruth(sql, droneId, epoch, seq),
    lowestUnacknowledged: ({ droneId, epoch }, kind) =>
      (sql.lowest.get(droneId, epoch, kind)?.seq ?? undefined) as number | undefined,
    backlog: ({ droneId }) => sql.backlog.get(droneId) as unknown as { messages: number; bytes: number },
    waitingOfOthers: () =>
      (sql.waiting.all() as { droneId: string; messages: number }[])
        .filter(({ droneId }) => !drones.has(droneId))
        .reduce((sum, { messages }) => sum + messages, 0),
    counts: () => counts,
    close() {
      files.close();
      database.close();
      lock.close();
    },
  };
}

const bytesOf = (row: Message | Picture) => (isPicture(row) ? row.place.length : row.payload.length);

function openAll(
  path: string,
  { maxBytes, openDatabase = openOutboxDatabase, openFiles = openPictureFiles }: OutboxOptions,
) {
  mkdirSync(dirname(path), { recursive: true });
  const lock = takeLock(path);
  let database: DatabaseSync | undefined;
  try {
    database = openDatabase(path);
    const sql = prepareStatements(database);
    if (!sameOutbox(database, path)) database.exec('update drone set epoch = null');
    sql.setMeta.run('identity', renewIdentity(path));
    const files = openFiles(path.replace(/\.sqlite$/, '.pictures'), sql.pictureFiles.all() as unknown as Named[], {
      rollBytes: Math.min(fileMaxBytes, maxBytes * fileShare),
    });
    return { lock, database, sql, files };
  } catch (error) {
    database?.close();
    lock.close();
    throw outboxErrors.OUTBOX_FAILED({ path, reason: (error as Error).message }, error);
  }
}

/** A SQLite lock on a file of its own: it dies with its process, however that ends. */
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec('pragma journal_mode=memory; begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    throw outboxErrors.OUTBOX_IN_USE({ path }, error);
  }
}
