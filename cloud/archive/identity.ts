import { idPattern, ulidPattern } from '../../core/ids.ts';
import type { MessageKind } from '../../core/messages.ts';
import type { LogRecord } from '../../log/event-log.ts';
import { messageText } from '../../log/record.ts';
import type { Identity } from './redelivery.ts';

const id = new RegExp(idPattern);
const ulid = new RegExp(ulidPattern);

/** Reads the name of a drone's numbered message from its record; undefined for every other record. */
export function identityReader(kinds: readonly MessageKind[]): (record: LogRecord) => Identity | undefined {
  const numbered = new Set(kinds.filter(kind => kind.numbered).map(({ kind }) => kind));
  return record => {
    const { kind } = record.headers;
    if (kind === undefined || !numbered.has(kind)) return undefined;
    let message: unknown;
    try {
      message = JSON.parse(messageText(record));
    } catch {
      return undefined;
    }
    if (typeof message !== 'object' || message === null) return undefined;
    const { droneId, epoch, seq } = message as Record<string, unknown>;
    if (typeof droneId !== 'string' || typeof epoch !== 'string' || !isSeq(seq)) return undefined;
    return id.test(droneId) && ulid.test(epoch) ? { droneId, epoch, kind, seq } : undefined;
  };
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
