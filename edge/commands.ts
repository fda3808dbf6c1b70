import { Compile } from 'typebox/schema';
import { Command } from '../core/messages.ts';
import type { Draft, Drone } from './drone.ts';
import type { DroneOutbox, Outbox } from './outbox.ts';

const check = Compile(Command);

/** The command in a payload, or undefined for what is not one for this drone. */
export function parseCommand(payload: Uint8Array, droneId: string): Command | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString());
    return check.Check(value) && value.droneId === droneId ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Does what a command asks and returns what the drone says to it, the ack last; all of it belongs into one
 * transaction. A command that was done before gets the same ack again and has no other effect (D7).
 */
export function obey(command: Command, atMs: number, drone: Drone, mine: DroneOutbox, outbox: Outbox): Draft[] {
  const { commandId, expiresAtMs } = command;
  const before = outbox.doneCommand(drone.droneId, commandId);
  const ack = (done: NonNullable<Draft['done']>): Draft => ({
    kind: 'ack',
    observedAtMs: drone.clockMs(atMs),
    body: { commandId, outcome: done.outcome, note: done.note },
    ...(before === undefined ? { done } : {}),
  });
  if (before !== undefined) return [ack(before)];
  if (atMs > expiresAtMs) return [ack({ commandId, outcome: 'expired', note: undefined })];
  const { refusal, drafts } = carryOut(command, atMs, drone, mine, outbox);
  const outcome = refusal === undefined ? 'done' : 'refused';
  return [...drafts, ack({ commandId, outcome, note: refusal })];
}

function carryOut(
  { action, commandId, case: caseId, config }: Command,
  atMs: number,
  drone: Drone,
  mine: DroneOutbox,
  outbox: Outbox,
): { refusal?: string; drafts: Draft[] } {
  switch (action) {
    case 'hold':
    case 'return':
    case 'resume':
      drone.ordered = action === 'resume' ? undefined : action;
      outbox.changeSettings(mine, { ordered: drone.ordered });
      return { drafts: [] };
    case 'config': {
      const rate = config?.violationsPerHour;
      if (rate === undefined) return { refusal: 'config holds nothing that this drone knows', drafts: [] };
      drone.setViolationsPerHour(rate);
      outbox.changeSettings(mine, { violationsPerHour: rate });
      return { drafts: [] };
    }
    case 'photograph-again': {
      const [reporter, epoch, seq] = caseId?.split(':') ?? [];
      const ticket = reporter === drone.droneId ? outbox.ticketOf(reporter, epoch ?? '', Number(seq)) : undefined;
      if (caseId === undefined || ticket === undefined)
        return { refusal: 'not a case that this drone knows', drafts: [] };
      if (!outbox.hasRoom()) return { refusal: 'no room in the outbox', drafts: [] };
      return { drafts: [drone.lookAgain(ticket, atMs, { command: commandId, case: caseId })] };
    }
  }
}
