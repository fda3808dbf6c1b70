import { parseJson } from '../core/json.ts';
import type { StoredRecord } from '../log/event-log.ts';
import { messageText } from '../log/record.ts';

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
    const status = statusIn(record);
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

  /** A message of the drone came by another way than `state`. */
  heard(droneId: string, atMs: number): void {
    const seen = this.#drones.get(droneId);
    if (seen !== undefined && atMs > seen.lastMs) seen.lastMs = atMs;
  }

  /** How many drones are online. */
  online(nowMs: number): number {
    let count = 0;
    for (const { online, lastMs } of this.#drones.values()) if (online && nowMs - lastMs <= this.#silentMaxMs) count++;
    return count;
  }
}

function statusIn(record: StoredRecord): 'online' | 'offline' | undefined {
  const message = parseJson(messageText(record));
  const status = typeof message === 'object' && message !== null && 'status' in message ? message.status : undefined;
  return status === 'online' || status === 'offline' ? status : undefined;
}
