import type { NumberedKind, PictureKind } from './drone.ts';
import type { Lane, Queued } from './lane.ts';
import type { Place } from './picture-files.ts';

/** A numbered message without PUBACK. */
export interface Message extends Queued {
  droneId: string;
  kind: NumberedKind;
  topic: string;
  payload: Buffer;
}

/** A picture without PUBACK; its bytes are on disk only. */
export interface Picture extends Queued {
  droneId: string;
  kind: PictureKind;
  topic: string;
  /** SHA-256 of the bytes, 64 hex digits. */
  imageId: string;
  place: Place;
}

export type Kind = NumberedKind | PictureKind;

/** What the connection sends. */
export type Outgoing = Message | (Picture & { payload: Buffer });

export interface Lanes {
  violation: Lane<Message>;
  ack: Lane<Message>;
  telemetry: Lane<Message>;
  image: Lane<Picture>;
  frame: Lane<Picture>;
}

/** Every kind that waits in an outbox, in the order of sending (D5). */
export const sendingOrder: readonly Kind[] = ['image', 'violation', 'ack', 'telemetry', 'frame'];

export function isPicture(row: Message | Picture): row is Picture {
  return row.kind === 'image' || row.kind === 'frame';
}

/** D5. Images are few: what they keep waiting is telemetry, 16 s of it at 64 kbit/s. */
const windowMaxBytes = { image: 128 * 1024, frame: 256 * 1000 };

/** The row of the last of these pictures that has no PUBACK; 0: all have theirs. */
export type LastImageRow = (imageIds: readonly string[]) => number;

/** What one drone sends next (D4, D5). */
export class Sending {
  readonly lanes: Readonly<Lanes>;
  #windows = { image: new ByteWindow(windowMaxBytes.image), frame: new ByteWindow(windowMaxBytes.frame) };
  #lastImageRow: LastImageRow;
  /** The violation that is next, and the row of the last image it waits for. */
  #awaited: { violation: Message | undefined; imageRow: number } = { violation: undefined, imageRow: 0 };

  constructor(lanes: Lanes, lastImageRow: LastImageRow) {
    this.lanes = lanes;
    this.#lastImageRow = lastImageRow;
  }

  /** The next row to send, now in flight; undefined when there is none to send now. Frames only with `frames`. */
  take(nowMs: number, frames: boolean): Message | Picture | undefined {
    const { violation, ack, telemetry } = this.lanes;
    if (this.#imagesStored(violation.peek())) return violation.take();
    const image = this.#takePicture('image', nowMs);
    if (image !== undefined) return image;
    const message = ack.take() ?? telemetry.take();
    if (message !== undefined) return message;
    const evidence = this.lanes.image.peek() ?? violation.peek();
    return frames && evidence === undefined ? this.#takePicture('frame', nowMs) : undefined;
  }

  stored(row: Message | Picture): void {
    if (isPicture(row)) this.lanes[row.kind].stored(row);
    else this.lanes[row.kind].stored(row);
  }

  /** The row, when it was in flight. */
  acknowledged({ kind, id }: Pick<Message | Picture, 'kind' | 'id'>, nowMs: number): Message | Picture | undefined {
    const row = this.lanes[kind].acknowledged(id);
    if (row !== undefined && isPicture(row)) this.#windows[row.kind].acknowledged(row, nowMs);
    return row;
  }

  lostConnection(): void {
    for (const kind of sendingOrder) this.lanes[kind].lostConnection();
    this.#windows.image.lostConnection();
    this.#windows.frame.lostConnection();
  }

  /** D4: true when every image of the violation has its PUBACK. Images are sent and acknowledged in the order of their rows. */
  #imagesStored(violation: Message | undefined): boolean {
    if (violation === undefined) return false;
    if (violation !== this.#awaited.violation) {
      const { images } = JSON.parse(violation.payload.toString()) as { images?: readonly string[] };
      this.#awaited = { violation, imageRow: this.#lastImageRow(images ?? []) };
    }
    return this.#awaited.imageRow < (this.lanes.image.oldest?.id ?? Number.POSITIVE_INFINITY);
  }

  #takePicture(kind: PictureKind, nowMs: number): Picture | undefined {
    const next = this.lanes[kind].peek();
    if (next === undefined || !this.#windows[kind].fits(next.place.length)) return undefined;
    this.#windows[kind].sent(next, nowMs);
    return this.lanes[kind].take();
  }
}

const slowMs = 1000;
const quickMs = 700;
const windowMinBytes = 32 * 1024;

/**
 * How many bytes of pictures may be in flight: about a second of what the link carries, so that small messages do not wait
 * behind many. One picture always may.
 */
class ByteWindow {
  #maxBytes: number;
  #limitBytes = windowMinBytes;
  #inFlight = new Map<number, { sentAtMs: number; bytes: number }>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#limitBytes;
  }

  sent({ id, place }: Picture, nowMs: number): void {
    this.#inFlight.set(id, { sentAtMs: nowMs, bytes: place.length });
    this.#bytes += place.length;
  }

  acknowledged({ id }: Picture, nowMs: number): void {
    const sent = this.#inFlight.get(id);
    if (sent === undefined) return;
    this.#inFlight.delete(id);
    this.#bytes -= sent.bytes;
    const tookMs = nowMs - sent.sentAtMs;
    if (tookMs > slowMs) this.#limitBytes = Math.max(windowMinBytes, this.#limitBytes / 2);
    else if (tookMs < quickMs) this.#limitBytes = Math.min(this.#maxBytes, this.#limitBytes * 2);
  }

  lostConnection(): void {
    this.#inFlight.clear();
    this.#bytes = 0;
    this.#limitBytes = windowMinBytes;
  }
}
