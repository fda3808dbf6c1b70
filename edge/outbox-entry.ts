import { encodeTopic } from '../core/topics.ts';
import type { Draft, PictureKind, Truth } from './drone.ts';
import type { DroneOutbox } from './outbox-drone.ts';
import { type OutboxStatements, rowBytes } from './outbox-statements.ts';
import type { Place } from './picture-files.ts';
import type { Kind, Message, Picture } from './sending.ts';

/** A picture whose bytes are durable in the outbox's picture files, and which no row names yet. */
export interface DurablePicture {
  kind: PictureKind;
  imageId: string;
  place: Place;
}

export type DoneCommand = NonNullable<Draft['done']>;

/** A message, stored with everything that belongs to it or not at all. */
export interface Entry {
  drone: DroneOutbox;
  draft: Draft;
  /** The answer to the command that asked for the message. */
  ack?: Draft;
  /** What the message is to list. A draft that has a scene and no picture of it is refused. */
  pictures?: readonly DurablePicture[];
}

/** What became of an entry: `rows` in the order of their ids, none when it was refused; `dropped` are named by no row. */
export interface Outcome {
  rows: (Message | Picture)[];
  dropped: readonly DurablePicture[];
  bytes: number;
}

const truthsMax = 100_000;
const doneCommandsMax = 10_000;

/** Numbers and inserts an entry where `fits` finds room for all its bytes. Within a transaction; the drone's counts go along. */
export function insertEntry(
  sql: OutboxStatements,
  { drone, draft, ack, pictures: offered = [] }: Entry,
  fits: (kind: Kind, bytes: number) => boolean,
): Outcome {
  const { droneId, fleet, epoch, made } = drone;
  let bytes = 0;
  const pictures = offered.filter(({ kind, place }) => {
    const more = place.length + rowBytes;
    const room = kind !== 'frame' || fits(kind, bytes + more);
    if (room) bytes += more;
    return room;
  });
  const imageIds = pictures.map(({ imageId }) => imageId);
  const names = imageIds.length === 0 ? {} : draft.kind === 'telemetry' ? { frames: imageIds } : { images: imageIds };
  const drafts: Draft[] = [{ ...draft, body: { ...draft.body, ...names } }, ...(ack === undefined ? [] : [ack])];
  const messages = drafts.map(({ kind, observedAtMs, body }) => {
    const seq = made[kind] + 1;
    const payload = Buffer.from(JSON.stringify({ v: 1, droneId, fleet, epoch, seq, observedAtMs, ...body }));
    bytes += payload.length + rowBytes;
    return { kind, seq, payload };
  });
  const unproved = draft.scene !== undefined && pictures.length === 0;
  if (unproved || !fits(draft.kind, bytes)) return { rows: [], dropped: offered, bytes: 0 };

  const rows: (Message | Picture)[] = pictures.map(({ kind, imageId, place }) => {
    const { file, position, length } = place;
    const id = Number(sql.insertPicture.run(droneId, kind, imageId, file, position, length).lastInsertRowid);
    const topic = encodeTopic({ fleet, droneId, kind, imageId });
    return { id, droneId, kind, epoch: '', seq: id, topic, imageId, place };
  });
  for (const { kind, seq, payload } of messages) {
    const topic = encodeTopic({ fleet, droneId, kind });
    const id = Number(sql.insert.run(droneId, epoch, kind, seq, topic, payload).lastInsertRowid);
    rows.push({ id, droneId, kind, epoch, seq, topic, payload });
  }
  if (draft.truth !== undefined) rememberTruth(sql, drone, messages[0]!.seq, draft.truth);
  for (const { done } of drafts) if (done !== undefined) rememberCommand(sql, droneId, done);
  for (const { kind } of rows) made[kind]++;
  return { rows, dropped: offered.filter(picture => !pictures.includes(picture)), bytes };
}

function rememberTruth(sql: OutboxStatements, { droneId, epoch }: DroneOutbox, seq: number, truth: Truth): void {
  const { code, ticket, remedy, scene } = truth;
  sql.addTruth.run(droneId, epoch, seq, code, ticket, remedy ?? null, JSON.stringify(scene));
  sql.forgetTruth.run(droneId, epoch, seq - truthsMax);
}

export function readTruth(sql: OutboxStatements, droneId: string, epoch: string, seq: number): Truth | undefined {
  const row = sql.truth.get(droneId, epoch, seq) as
    | { code: number; ticket: number; remedy: Truth['remedy'] | null; scene: string | null }
    | undefined;
  if (row === undefined || row.scene === null) return undefined;
  return { ...row, remedy: row.remedy ?? undefined, scene: JSON.parse(row.scene) as Truth['scene'] };
}

function rememberCommand(sql: OutboxStatements, droneId: string, { commandId, outcome, note }: DoneCommand): void {
  const row = sql.addDone.run(droneId, commandId, outcome, note ?? null);
  sql.forgetDone.run(Number(row.lastInsertRowid) - doneCommandsMax);
}
