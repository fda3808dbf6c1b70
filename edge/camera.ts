import { hash } from 'node:crypto';
import type { Logger } from '../core/logging.ts';
import type { Frames, TakenFrame } from './frames.ts';
import type { Entry } from './outbox-entry.ts';
import type { PictureFiles, Shelf } from './picture-files.ts';
import { drawScene } from './scene/scene.ts';

export interface CameraDeps {
  logger: Logger;
  files: PictureFiles;
  frames: Frames | undefined;
  /** Entries are ready. */
  ready(): void;
  /** A picture could not be drawn: a mistake in the program. */
  failed(error: Error): void;
  /** Only tests give another one. */
  draw?: typeof drawScene;
}

/**
 * Makes the pictures of all drones: draws what a violation's draft shows, and writes images and frames to the picture
 * files, many a sync (D1). What is here is not made yet: a process that ends forgets it.
 */
export interface Camera {
  /** False when too many wait: the drone has not seen it. */
  photograph(entry: Entry): boolean;
  /** Entries whose picture is durable, or could not be written and is missing; in the order of `photograph`. */
  ready(): Entry[];
  /** Writes the frames that are taken; while the disk refuses, tries it once a second. */
  develop(): void;
  /** Whether the last write succeeded. */
  readonly canWrite: boolean;
  /** Resolves when nothing waits to be drawn or written. */
  idle(): Promise<void>;
  /** Forgets what is not ready; resolves when nothing is being written. */
  close(): Promise<void>;
}

interface Shot {
  entry: Entry;
  jpeg: Buffer | undefined;
}

/** A picture that is to be written: a violation's or a frame. */
interface Exposed {
  bytes: Buffer;
  shelf: Shelf;
  entry?: Entry;
  frame?: TakenFrame;
}

const shelves: readonly Shelf[] = ['quick', 'slow'];
/** Violations whose picture is not durable yet. */
const shotsMax = 64;
/** JPEG is encoded in libuv's threads, of which the file writes need some too. */
const drawingMax = 2;
const batchBytes = 4 * 1024 * 1024;
const probeEveryMs = 1000;
const probeBytes = 64 * 1024;

export function createCamera(widthPx: number, deps: CameraDeps): Camera {
  const { logger, files, frames, ready, failed, draw: drawPicture = drawScene } = deps;
  const shots: Shot[] = [];
  const done: Entry[] = [];
  let [undrawn, drawing] = [0, 0];
  let writing = false;
  let written: Promise<void> | undefined;
  let [failing, triedAtMs] = [false, 0];
  let closed = false;
  const idlers: (() => void)[] = [];

  function draw(): void {
    while (!closed && drawing < drawingMax && undrawn < shots.length) {
      const shot = shots[undrawn++]!;
      drawing++;
      drawPicture(shot.entry.draft.scene!, widthPx).then(jpeg => {
        drawing--;
        shot.jpeg = jpeg;
        draw();
        develop();
      }, failed);
    }
  }

  /** Images first, so that no violation waits for more than one batch of frames. */
  function nextBatch(): Exposed[] {
    const end = shots.findIndex(({ jpeg }) => jpeg === undefined);
    const drawn = shots.splice(0, end < 0 ? shots.length : end);
    undrawn -= drawn.length;
    const images = drawn.map(({ entry, jpeg }): Exposed => ({ bytes: jpeg!, shelf: 'quick', entry }));
    const room = batchBytes - images.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return room > 0 && frames !== undefined ? [...images, ...frames.next(room)] : images;
  }

  async function write(batch: readonly Exposed[], shelf: Shelf): Promise<void> {
    if (batch.length === 0) return;
    try {
      const imageIds = batch.map(({ bytes }) => hash('sha256', bytes));
      const places = await files.append(
        batch.map(({ bytes }) => bytes),
        shelf,
      );
      failing = false;
      batch.forEach(({ entry, frame }, index) => {
        const [imageId, place] = [imageIds[index]!, places[index]!];
        if (entry !== undefined) done.push({ ...entry, pictures: [{ kind: 'image', imageId, place }] });
        if (frame !== undefined) frames?.durable(frame, { kind: 'frame', imageId, place });
      });
    } catch (error) {
      if (!failing) logger.warn({ error }, 'pictures cannot be written: frames are refused, violations too');
      [failing, triedAtMs] = [true, performance.now()];
      done.push(...batch.flatMap(({ entry }) => entry ?? []));
      frames?.failed(batch.flatMap(({ frame }) => frame ?? []));
    }
    if (done.length > 0 && !closed) ready();
  }

  async function probe(): Promise<void> {
    triedAtMs = performance.now();
    try {
      const [place] = await files.append([Buffer.alloc(probeBytes)]);
      files.release(place!);
      failing = false;
    } catch {
      // As full as it was, which is told.
    }
  }

  async function developAll(): Promise<void> {
    try {
      for (let batch = nextBatch(); batch.length > 0 && !closed; batch = nextBatch()) {
        for (const shelf of shelves) {
          await write(
            batch.filter(exposed => exposed.shelf === shelf),
            shelf,
          );
        }
      }
      if (failing && !closed && performance.now() - triedAtMs >= probeEveryMs) await probe();
    } finally {
      writing = false;
      if (shots.length === 0) for (const resolve of idlers.splice(0)) resolve();
    }
  }

  function develop(): void {
    if (writing || closed) return;
    writing = true;
    written = developAll().catch(failed);
  }

  return {
    photograph(entry) {
      if (closed || shots.length >= shotsMax) return false;
      shots.push({ entry, jpeg: undefined });
      draw();
      return true;
    },
    ready: () => done.splice(0),
    develop,
    get canWrite() {
      return !failing;
    },
    async idle() {
      if (shots.length > 0 || writing) await new Promise<void>(resolve => idlers.push(resolve));
    },
    async close() {
      closed = true;
      for (const resolve of idlers.splice(0)) resolve();
      await written;
    },
  };
}
