import { encodeTopic } from '../core/topics.ts';
import type { NumberedKind, PictureKind } from './drone.ts';
import { Lane } from './lane.ts';
import { saveCount, saveDrone } from './outbox-ledger.ts';
import type { OutboxStatements } from './outbox-statements.ts';
import { type Kind, type Message, type Picture, Sending, sendingOrder } from './sending.ts';

/** What one drone has in the outbox. */
export interface DroneOutbox {
  readonly droneId: string;
  readonly fleet: string;
  /** Names the numbering of new messages; older messages keep theirs (D2). */
  readonly epoch: string;
  readonly sending: Sending;
  /** Highest seq given in the present epoch; of pictures their count since ever. */
  readonly made: Record<Kind, number>;
  /** What found no room, likewise. */
  readonly refused: Record<Kind, number>;
  readonly acknowledged: Record<PictureKind, number>;
  readonly settings: DroneSettings;
}

/** What commands left behind; survives a restart. */
export interface DroneSettings {
  ordered: 'hold' | 'return' | undefined;
  violationsPerHour: number | undefined;
  /** False: no patrol frames. */
  frames: boolean | undefined;
}

/** Registers a drone, or finds what an earlier run left of it. Within a transaction. */
export function openDrone(sql: OutboxStatements, droneId: string, fleet: string, newEpoch: () => string): DroneOutbox {
  const known = sql.drone.get(droneId) as
    | { epoch: string | null; ordered: 'hold' | 'return' | null; rate: number | null; frames: number | null }
    | undefined;
  const epoch = known?.epoch ?? newEpoch();
  const settings: DroneSettings = {
    ordered: known?.ordered ?? undefined,
    violationsPerHour: known?.rate ?? undefined,
    frames: known?.frames == null ? undefined : known.frames !== 0,
  };
  const made = {} as Record<Kind, number>;
  const refused = {} as Record<Kind, number>;
  const acknowledged = { image: 0, frame: 0 };

  function messages(kind: NumberedKind): Lane<Message> {
    const epochs = (sql.epochs.all(droneId, kind) as { epoch: string }[]).map(row => row.epoch);
    const older = epochs.filter(other => other !== epoch && sql.lowest.get(droneId, other, kind)?.seq != null);
    const row = sql.ledger.get(droneId, epoch, kind) as { made: number; refused: number } | undefined;
    made[kind] = row?.made ?? 0;
    refused[kind] = row?.refused ?? 0;
    return new Lane([...older, epoch], (of, seq, count) =>
      (sql.page.all(droneId, of, kind, seq, count) as unknown as (Message & { payload: Uint8Array })[]).map(row => ({
        ...row,
        kind,
        payload: Buffer.from(row.payload.buffer, row.payload.byteOffset, row.payload.byteLength),
      })),
    );
  }

  function pictures(kind: PictureKind): Lane<Picture> {
    const row = sql.pictureCount.get(droneId, kind) as Record<'made' | 'acknowledged' | 'refused', number> | undefined;
    made[kind] = row?.made ?? 0;
    refused[kind] = row?.refused ?? 0;
    acknowledged[kind] = row?.acknowledged ?? 0;
    return new Lane([''], (_, above, count) =>
      (sql.picturePage.all(droneId, kind, above, count) as unknown as PictureRow[]).map(
        ({ id, imageId, ...place }) => ({
          id,
          droneId,
          kind,
          epoch: '',
          seq: id,
          topic: encodeTopic({ fleet, droneId, kind, imageId }),
          imageId,
          place,
        }),
      ),
    );
  }

  const sending = new Sending(
    {
      image: pictures('image'),
      violation: messages('violation'),
      ack: messages('ack'),
      telemetry: messages('telemetry'),
      frame: pictures('frame'),
    },
    imageIds => Math.max(0, ...imageIds.map(imageId => Number(sql.pictureRow.get(droneId, imageId)!.id ?? 0))),
  );
  const drone: DroneOutbox = { droneId, fleet, epoch, sending, made, refused, acknowledged, settings };
  saveDrone(sql, drone);
  for (const kind of sendingOrder) saveCount(sql, drone, kind);
  return drone;
}

interface PictureRow {
  id: number;
  imageId: string;
  file: number;
  position: number;
  length: number;
}
