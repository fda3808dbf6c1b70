import { idPattern, ulidPattern } from '../../core/ids.ts';
import { parseJson } from '../../core/json.ts';
import type { MessageKind } from '../../core/messages.ts';
import type { LogRecord } from '../../log/event-log.ts';
import type { Identity } from './redelivery.ts';
import { numberAt, scanTopLevel, textAt } from './top-level-scan.ts';

const id = new RegExp(idPattern);
const ulid = new RegExp(ulidPattern);
const fields = ['droneId', 'epoch', 'seq'];
const epochsRemembered = 100_000;

/** Reads the name of a drone's numbered message from its record; undefined for every other record. */
export function identityReader(kinds: readonly MessageKind[]): (record: LogRecord) => Identity | undefined {
  const numbered = new Set(kinds.filter(kind => kind.numbered).map(({ kind }) => kind));
  const places = new Int32Array(2 * fields.length);
  /** The last epoch of each drone: most messages name the same again. */
  const epochs = new Map<string, string>();

  return ({ key, headers, payload }) => {
    const { kind } = headers;
    if (kind === undefined || !numbered.has(kind)) return undefined;
    const bytes = headers.message === undefined ? payload : Buffer.from(headers.message);
    if (!scanTopLevel(bytes, fields, places)) return parsed(bytes, kind);
    const droneId = textAt(bytes, places[0]!, places[1]!, key);
    const epoch = textAt(bytes, places[2]!, places[3]!, epochs.get(key));
    const seq = numberAt(bytes, places[4]!, places[5]!);
    if (epochs.get(key) !== epoch || droneId !== key) {
      if (!isIdentity(droneId, epoch, seq)) return undefined;
      if (epochs.size >= epochsRemembered) epochs.clear();
      if (droneId === key) epochs.set(key, epoch);
    }
    return seq >= 1 ? { droneId, epoch, kind, seq } : undefined;
  };
}

function parsed(bytes: Uint8Array, kind: string): Identity | undefined {
  const value = parseJson(bytes);
  if (typeof value !== 'object' || value === null) return undefined;
  const { droneId, epoch, seq } = value as Record<string, unknown>;
  if (typeof droneId !== 'string' || typeof epoch !== 'string' || typeof seq !== 'number') return undefined;
  return isIdentity(droneId, epoch, seq) ? { droneId, epoch, kind, seq } : undefined;
}

function isIdentity(droneId: string, epoch: string, seq: number): boolean {
  return id.test(droneId) && ulid.test(epoch) && Number.isSafeInteger(seq) && seq >= 1;
}
