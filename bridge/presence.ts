import { parseJson } from '../core/json.ts';
import type { StoredRecord } from '../log/event-log.ts';

interface Seen {
  /** ULID of the newest connection that said online. */
  connection: string;
  online: boolean;
  lastMs: number;
}

/**
 * Who is online, from the stream `state` (B7): `offline` counts only for the newest online's connection, and a drone
 * without a record for three keep-alives is offline whatever it said last.
 */
export class Presence {
  #drones = new Map<string, Seen>();
  #silentMaxMs: number;

  constructor(keepAliveMs: number) {
    this.#silentMaxMs = 3 * keepAliveMs;
  }

  /** Applies a `state` record and returns the drone's connection that it made obsolete, if there was one. */
  apply(record: StoredRecord): string | undefined {
    const connection = record.headers.connection;
    const status = statusIn(record.payload);
    if (connection === undefined || status === undefined) return undefined;
    const before = this.#drones.get(record.key);
    const newer = before === undefined || connection > before.connection;
    if (status === 'offline') {
      if (before !== undefined && before.connection === connection) before.online = false;
      return undefined;
    }
    if (newer) this.#drones.set(record.key, { connection, online: true, lastMs: record.timeMs });
    else if (before.connection === connection) Object.assign(before, { online: true, lastMs: record.timeMs });
    return newer ? before?.connection : undefined;
  }

  online(nowMs: number): number {
    let count = 0;
    for (const { online, lastMs } of this.#drones.values()) if (online && nowMs - lastMs <= this.#silentMaxMs) count++;
    return count;
  }
}

function statusIn(payload: Uint8Array): 'online' | 'offline' | undefined {
  const message = parseJson(payload);
  const status = typeof message === 'object' && message !== null && 'status' in message ? message.status : undefined;
  return status === 'online' || status === 'offline' ? status : undefined;
}
