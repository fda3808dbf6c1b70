import { Compile } from 'typebox/schema';
import { Command } from '../core/messages.ts';
import type { Draft, Drone } from './drone.ts';
import type { Outbox } from './outbox.ts';
import type { DroneOutbox } from './outbox-drone.ts';

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
 * Does what a command asks and returns what the drone says to it: the ack, and what it photographed if it was asked to.
 * Both belong into one transaction. A command that was done before gets the same ack again and has no other effect (D7).
 */
export function obey(command: Command, atMs: number, drone: Drone, mine: DroneOutbox, outbox: Outbox): Answer {
  const { commandId, expiresAtMs } = command;
  const before = outbox.doneCommand(drone.droneId, commandId);
  const ack = (done: NonNullable<Draft['done']>): Draft => ({
    kind: 'ack',
    observedAtMs: drone.clockMs(atMs),
    body: { commandId, outcome: done.outcome, note: done.note },
    ...(before === undefined ? { done } : {}),
  });
  if (before !== undefined) return { ack: ack(before) };
  if (atMs > expiresAtMs) return { ack: ack({ commandId, outcome: 'expired', note: undefined }) };
  const { refusal, photograph } = carryOut(command, atMs, drone, mine, outbox);
  const outcome = refusal === undefined ? 'done' : 'refused';
  return { photograph, ack: ack({ commandId, outcome, note: refusal }) };
}

export interface Answer {
  ack: Draft;
  photograph?: Draft | undefined;
}

function carryOut(
  { action, commandId, case: caseId, config }: Command,
  atMs: number,
  drone: Drone,
  mine: DroneOutbox,
  outbox: Outbox,
): { refusal?: string; photograph?: Draft } {
  switch (action) {
    case 'hold':
    case 'return':
    case 'resume':
      drone.ordered = action === 'resume' ? undefined : action;
      outbox.changeSettings(mine, { ordered: drone.ordered });
      return {};
    case 'config': {
      const { violationsPerHour: rate, frames } = config ?? {};
      if (rate === undefined && frames === undefined) return { refusal: 'config holds nothing that this drone knows' };
      if (rate !== undefined) drone.setViolationsPerHour(rate);
      const { settings } = mine;
      outbox.changeSettings(mine, {
        violationsPerHour: rate ?? settings.violationsPerHour,
        frames: frames ?? settings.frames,
      });
      return {};
    }
    case 'photograph-again': {
      const [reporter, epoch, seq] = caseId?.split(':') ?? [];
      const truth = reporter === drone.droneId ? outbox.truthOf(reporter, epoch ?? '', Number(seq)) : undefined;
      if (caseId === undefined || truth === undefined) return { refusal: 'not a case that this drone knows' };
      if (!outbox.hasRoom()) return { refusal: 'no room in the outbox' };
      return { photograph: drone.lookAgain(truth, atMs, { command: commandId, case: caseId }) };
    }
  }
}
