import { Compile } from 'typebox/schema';
import type { DroneConnection } from '../core/connection.ts';
import { newUlid } from '../core/ids.ts';
import { parseJson } from '../core/json.ts';
import type { Logger } from '../core/logging.ts';
import { Command } from '../core/messages.ts';
import type { LogRecord } from '../log/event-log.ts';
import { messageText } from '../log/record.ts';

export interface FrameReserveOptions {
  /** Below this much free space drones are told to make no frames; below half of it no frames are taken from those that were told. */
  reserveBytes: number;
  freeBytes(): Promise<number>;
  /** Appends a command to the stream `command`. */
  append(record: LogRecord): Promise<void>;
  logger: Logger;
}

/** Who says it in `by`. */
const by = 'bridge';
const expiresAfterMs = 7 * 24 * 3600 * 1000;
/** Frames are on again when there is so much more than the reserve. */
const roomAgain = 1.1;
/** A drone that goes on with its frames is told again after this. */
const repeatMs = 60_000;
/** What comes so soon after the first telling may have been on its way; to refuse a frame is to close its connection. */
const obeyMs = 5000;
const isCommand = Compile(Command);

/**
 * B6: keeps the last of the disk for reports, acks and requests. A drone whose frame arrives while the disk is below the
 * reserve is told to make none; when there is room again those that were told so are told otherwise, unless somebody else
 * had told them before, and also by another process after a restart: who was told is a fold of the stream `command`.
 */
export class FrameReserve {
  #options: FrameReserveOptions;
  /** Drones without frames; `ours` are those that the bridge switched off, and it alone. */
  #off = new Map<string, { fleet: string; sinceMs: number; toldMs: number; ours: boolean }>();
  #low = false;
  #refused = 0;
  #freeBytes: number | undefined;

  constructor(options: FrameReserveOptions) {
    this.#options = options;
  }

  /** Applies one record of the stream `command`. */
  apply(record: LogRecord): void {
    const message = parseJson(messageText(record));
    if (!isCommand.Check(message) || message.config?.frames === undefined) return;
    const { droneId, fleet, config, issuedAtMs } = message;
    if (config?.frames) this.#off.delete(droneId);
    else this.#note(droneId, fleet, issuedAtMs, message.by === by);
  }

  /** A frame has come: false when it must not be stored. */
  admits({ droneId, fleet }: DroneConnection, nowMs: number): boolean {
    if (!this.#low) return true;
    if (nowMs - (this.#off.get(droneId)?.toldMs ?? Number.NEGATIVE_INFINITY) > repeatMs) {
      this.#note(droneId, fleet, nowMs, true);
      this.#command(droneId, fleet, false, nowMs);
    }
    if (this.#freeBytes! >= this.#options.reserveBytes / 2) return true;
    if (nowMs - this.#off.get(droneId)!.sinceMs < obeyMs) return true;
    this.#refused++;
    return false;
  }

  /** Looks at the disk. Called every few seconds; never rejects. */
  async check(nowMs: number): Promise<void> {
    const { reserveBytes, freeBytes, logger } = this.#options;
    try {
      this.#freeBytes = await freeBytes();
    } catch (error) {
      logger.warn({ error }, 'free disk space cannot be read');
      return;
    }
    const low = this.#freeBytes < reserveBytes * (this.#low ? roomAgain : 1);
    if (low !== this.#low) {
      this.#low = low;
      const fields = { freeBytes: this.#freeBytes, reserveBytes };
      if (low) logger.warn(fields, 'drones are told to make no frames, the disk is below LOG_RESERVE_BYTES');
      else logger.info(fields, 'drones may make frames again');
    }
    if (low) return;
    for (const [droneId, { fleet, ours }] of this.#off) if (ours) this.#command(droneId, fleet, true, nowMs);
  }

  /** One sentence for the operator while drones are without frames for want of disk. */
  notice(): string | undefined {
    const { framesOff, framesRefused } = this.detail();
    if (!this.#low || framesOff === 0) return undefined;
    return `${framesOff} drones make no frames, the disk is below LOG_RESERVE_BYTES; ${framesRefused} frames were refused`;
  }

  detail(): { framesOff: number; framesRefused: number; freeBytes?: number } {
    const free = this.#freeBytes === undefined ? {} : { freeBytes: this.#freeBytes };
    const framesOff = [...this.#off.values()].filter(({ ours }) => ours).length;
    return { framesOff, framesRefused: this.#refused, ...free };
  }

  #note(droneId: string, fleet: string, toldMs: number, ours: boolean): void {
    const before = this.#off.get(droneId);
    const sinceMs = before?.sinceMs ?? toldMs;
    this.#off.set(droneId, { fleet, sinceMs, toldMs, ours: ours && before?.ours !== false });
  }

  #command(droneId: string, fleet: string, frames: boolean, issuedAtMs: number): void {
    const command: Command = {
      v: 1,
      droneId,
      fleet,
      commandId: newUlid(issuedAtMs),
      action: 'config',
      issuedAtMs,
      expiresAtMs: issuedAtMs + expiresAfterMs,
      by,
      config: { frames },
    };
    const headers = { kind: 'command', receivedAtMs: String(issuedAtMs), contentType: 'application/json' };
    const record = { key: droneId, headers, payload: Buffer.from(JSON.stringify(command)) };
    const told = this.#off.get(droneId)!;
    this.#options.append(record).then(
      () => {
        if (frames && this.#off.get(droneId) === told) this.#off.delete(droneId);
      },
      error => {
        // The next frame, or the next look at the disk, tries again.
        if (!frames) told.toldMs = Number.NEGATIVE_INFINITY;
        this.#options.logger.warn({ droneId, error }, 'a drone could not be told about its frames');
      },
    );
  }
}
