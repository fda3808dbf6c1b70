import type { Logger } from '../core/logging.ts';
import type { Outbox } from './outbox.ts';
import type { DroneOutbox } from './outbox-drone.ts';
import type { DurablePicture } from './outbox-entry.ts';
import type { Shelf } from './picture-files.ts';
import { drawFrame, withComment } from './scene/scene.ts';

export interface FramesOptions {
  frameBytes: number;
  /** For each drone; 0: none. */
  bytesPerDay: number;
  telemetryIntervalMs: number;
}

export interface FramesDeps {
  outbox: Pick<Outbox, 'hasRoomForFrames' | 'refuseFrames'>;
  logger: Logger;
  /** A picture could not be drawn: a mistake in the program. */
  failed(error: Error): void;
}

/** A frame that is taken and not yet written. */
export interface TakenFrame {
  drone: DroneOutbox;
  takenAtMs: number;
}

/** The patrol frames of all drones: which are due, which are durable and wait for a telemetry message to list them. */
export interface Frames {
  /** Takes those that are due since the call before; `clockMs` gives the drone's own time. */
  patrol(drone: DroneOutbox, nowMs: number, clockMs: (atMs: number) => number): void;
  /** No frames from now on. */
  rest(drone: DroneOutbox): void;
  /** The oldest frames taken, at most so many bytes; made as they are asked for, so waiting ones cost no memory. */
  next(maxBytes: number): { frame: TakenFrame; bytes: Buffer; shelf: Shelf }[];
  durable(frame: TakenFrame, picture: DurablePicture): void;
  /** They could not be written: they are counted as refused, and for a second no others are taken. */
  failed(frames: readonly TakenFrame[]): void;
  /** What the drone's next telemetry message is to list. */
  unlisted(drone: DroneOutbox): readonly DurablePicture[];
}

/** As many as a telemetry message can list (core/messages.ts). */
const listMax = 256;
/** Frames taken and not yet written, over all drones; 7 s of 25 drones at 100 GB a day each. */
const takenMax = 2048;
/** A drone with more frames without PUBACK has no link, or one that is too thin. */
const behindMin = 32;
const catchUpMaxMs = 5000;
const afterFailureMs = 1000;
const poolSize = 8;
/** What `withComment` adds stays below the limit of a message. */
const poolBytesMax = 1024 * 1024 - 4096;
const dayMs = 86_400_000;

/** Undefined when there are to be none. */
export function createFrames(options: FramesOptions, { outbox, logger, failed }: FramesDeps): Frames | undefined {
  const { frameBytes, bytesPerDay, telemetryIntervalMs } = options;
  if (bytesPerDay === 0) return undefined;
  const wantedMs = (dayMs * frameBytes) / bytesPerDay;
  const everyMs = Math.max(wantedMs, telemetryIntervalMs / listMax);
  if (everyMs > wantedMs)
    logger.warn(
      { telemetryIntervalMs, listMax },
      'fewer frames than EDGE_FRAME_BYTES_PER_DAY, telemetry cannot list more',
    );

  const dueAtMs = new Map<DroneOutbox, number>();
  const waiting = new Map<DroneOutbox, DurablePicture[]>();
  const taken: TakenFrame[] = [];
  const pool: Buffer[] = [];
  let filling = false;
  let [count, unlistedBytes, failedAtMs] = [0, 0, Number.NEGATIVE_INFINITY];

  async function fillPool(): Promise<void> {
    filling = true;
    for (let index = 0; index < poolSize; index++) {
      pool.push(await drawFrame(`patrol ${index}`, Math.min(frameBytes, poolBytesMax)));
    }
  }

  function take(drone: DroneOutbox, takenAtMs: number): void {
    const ofDrone = waiting.get(drone)?.length ?? 0;
    const room = outbox.hasRoomForFrames(unlistedBytes + (taken.length + 1) * frameBytes);
    const failing = performance.now() - failedAtMs < afterFailureMs;
    if (room && !failing && taken.length < takenMax && ofDrone < 2 * listMax) taken.push({ drone, takenAtMs });
    else outbox.refuseFrames(drone, 1);
  }

  return {
    patrol(drone, nowMs, clockMs) {
      if (!filling) fillPool().catch(failed);
      if (pool.length < poolSize) return;
      let atMs = dueAtMs.get(drone) ?? nowMs + (everyMs * (dueAtMs.size % 16)) / 16;
      if (Math.abs(nowMs - atMs) > Math.max(catchUpMaxMs, everyMs)) atMs = nowMs;
      for (; atMs <= nowMs; atMs += everyMs) take(drone, clockMs(atMs));
      dueAtMs.set(drone, atMs);
    },
    rest: drone => void dueAtMs.delete(drone),
    next(maxBytes) {
      return taken.splice(0, Math.max(1, Math.floor(maxBytes / frameBytes))).map(frame => {
        const { drone, takenAtMs } = frame;
        const name = `${drone.droneId} ${drone.epoch} ${++count} ${takenAtMs}`;
        const behind = drone.made.frame - drone.acknowledged.frame > behindMin;
        return { frame, bytes: withComment(pool[count % poolSize]!, name), shelf: behind ? 'slow' : 'quick' };
      });
    },
    durable({ drone }, picture) {
      const pictures = waiting.get(drone) ?? [];
      pictures.push(picture);
      waiting.set(drone, pictures);
      unlistedBytes += picture.place.length;
    },
    failed(frames) {
      failedAtMs = performance.now();
      for (const { drone } of [...frames, ...taken.splice(0)]) outbox.refuseFrames(drone, 1);
    },
    unlisted(drone) {
      const pictures = waiting.get(drone)?.splice(0, listMax) ?? [];
      for (const { place } of pictures) unlistedBytes -= place.length;
      return pictures;
    },
  };
}
