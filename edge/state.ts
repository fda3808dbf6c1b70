import type { State } from '../core/messages.ts';
import { firmware } from './drone.ts';
import type { Outbox } from './outbox.ts';
import type { DroneOutbox } from './outbox-drone.ts';
import { sendingOrder } from './sending.ts';

/** The payload of a `state` message: how far the drone has come with each kind, and what waits. */
export function encodeState(
  status: State['status'],
  observedAtMs: number,
  mine: DroneOutbox,
  outbox: Pick<Outbox, 'backlog' | 'lowestUnacknowledged'>,
): Buffer {
  const { droneId, fleet, epoch, made, refused } = mine;
  const { messages, bytes } = outbox.backlog(mine);
  const kinds: State['kinds'] = {};
  for (const kind of sendingOrder) {
    const picture = kind === 'image' || kind === 'frame';
    const lowestUnacknowledged = picture ? undefined : outbox.lowestUnacknowledged(mine, kind);
    kinds[kind] = { made: made[kind], lowestUnacknowledged, refused: refused[kind] };
  }
  const state = {
    v: 1,
    droneId,
    fleet,
    epoch,
    observedAtMs,
    status,
    firmware,
    backlogMessages: messages,
    backlogBytes: bytes,
    kinds,
  } satisfies State;
  return Buffer.from(JSON.stringify(state));
}
