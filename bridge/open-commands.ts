import { Compile } from 'typebox/schema';
import { parseJson } from '../core/json.ts';
import { Ack, Command } from '../core/messages.ts';
import { encodeTopic } from '../core/topics.ts';
import type { LogRecord } from '../log/event-log.ts';
import { messageText } from '../log/record.ts';

export interface OpenCommand {
  droneId: string;
  commandId: string;
  topic: string;
  payload: Uint8Array;
  expiresAtMs: number;
}

const isCommand = Compile(Command);
const isAck = Compile(Ack);

/** The commands that were sent and not answered yet: a fold of the stream `command` (B8). */
export class OpenCommands {
  #byDrone = new Map<string, Map<string, OpenCommand>>();

  /** Applies one record; returns the command when it opened one. Records that are neither command nor ack change nothing. */
  apply(record: LogRecord): OpenCommand | undefined {
    const message = parseJson(messageText(record));
    if (isAck.Check(message)) {
      const open = this.#byDrone.get(message.droneId);
      open?.delete(message.commandId);
      if (open?.size === 0) this.#byDrone.delete(message.droneId);
      return undefined;
    }
    if (!isCommand.Check(message)) return undefined;
    const { droneId, fleet, commandId, expiresAtMs } = message;
    const topic = encodeTopic({ fleet, droneId, kind: 'command' });
    const command = { droneId, commandId, topic, payload: record.payload, expiresAtMs };
    const open = this.#byDrone.get(droneId) ?? new Map<string, OpenCommand>();
    open.set(commandId, command);
    this.#byDrone.set(droneId, open);
    return command;
  }

  /** The drone's open commands in the order they were given; forgets those that have expired. */
  of(droneId: string, nowMs: number): OpenCommand[] {
    const open = this.#byDrone.get(droneId);
    if (open === undefined) return [];
    for (const { commandId, expiresAtMs } of open.values()) if (expiresAtMs <= nowMs) open.delete(commandId);
    if (open.size === 0) this.#byDrone.delete(droneId);
    return [...open.values()];
  }

  /** Every drone's, as `of` gives them. */
  all(nowMs: number): OpenCommand[] {
    return [...this.#byDrone.keys()].flatMap(droneId => this.of(droneId, nowMs));
  }
}
