import { parseArgs } from 'node:util';
import { Compile } from 'typebox/schema';
import { defineErrors } from '../../core/errors.ts';
import { newUlid } from '../../core/ids.ts';
import { parseJson } from '../../core/json.ts';
import { Ack, CaseId, type Command, commandActions } from '../../core/messages.ts';
import type { EventLog, RecordBatch } from '../../log/event-log.ts';
import { messageText } from '../../log/record.ts';
import { readDroneAccounts } from '../drone-accounts.ts';

export const usage = `Usage: prestacop command DRONE ${commandActions.join('|')} [options]

Sends a command to a drone, wherever it is connected or as soon as it is, and waits for its answer.

  --case ID          the case a photograph is wanted for (photograph-again): {droneId}:{epoch}:{seq} of its report
  --violations N     violations an hour (config; simulated drones)
  --frames on|off    whether it makes and sends patrol frames (config)
  --expires-s N      seconds until the drone must not do it any more (default 300)
  --wait-s N         seconds to wait for the answer, 0: do not wait (default 30)
  --json             one JSON document on standard output

Exit code 0: done, or sent with --wait-s 0; 1: refused, expired or no answer yet.
`;

export const commandErrors = defineErrors('COMMAND', {
  WRONG_USE: { misuse: true, message: '{problem}\n\n{usage}' },
  UNKNOWN_DRONE: { message: 'There is no drone {droneId}; "npm run drone -- add" makes one' },
});
const wrongUse = (problem: string) => commandErrors.WRONG_USE({ problem, usage });
const isAck = Compile(Ack);
const isCase = Compile(CaseId);

interface Context {
  openLog(): Promise<EventLog>;
  stdout: { write(text: string): void };
  signal: AbortSignal;
}

/** Runs the command and gives its exit code. */
export async function run(args: string[], context: Context): Promise<number> {
  const { values, positionals } = parse(args);
  const [droneId, action] = positionals as [string, Command['action']];
  if (positionals.length !== 2 || !commandActions.includes(action)) {
    throw wrongUse(`a drone's id and one of ${commandActions.join(', ')} expected`);
  }
  const droneConfig = configIn(values);
  if (action === 'config' && droneConfig === undefined)
    throw wrongUse('config takes --violations N or --frames on|off');
  // What is no case id would make a command that the drone cannot read, and so does not answer.
  const wantsCase = action === 'photograph-again' || values.case !== undefined;
  if (wantsCase && !isCase.Check(values.case))
    throw wrongUse(`${action} takes --case {droneId}:{epoch}:{seq}, as of the report`);
  const waitMs = numberIn(values['wait-s'], '--wait-s', 0) * 1000;
  const expiresMs = numberIn(values['expires-s'], '--expires-s', 1) * 1000;

  const log = await context.openLog();
  const fleet = (await readDroneAccounts(log, context.signal)).fleetOf(droneId);
  if (fleet === undefined) throw commandErrors.UNKNOWN_DRONE({ droneId });
  const issuedAtMs = Date.now();
  const command: Command = {
    v: 1,
    droneId,
    fleet,
    commandId: newUlid(issuedAtMs),
    action,
    issuedAtMs,
    expiresAtMs: issuedAtMs + expiresMs,
    ...(values.case === undefined ? {} : { case: values.case }),
    ...(droneConfig === undefined ? {} : { config: droneConfig }),
  };
  const ends = await log.ends('command');
  const headers = { kind: 'command', receivedAtMs: String(issuedAtMs), contentType: 'application/json' };
  await log.append('command', [{ key: droneId, headers, payload: Buffer.from(JSON.stringify(command)) }]);

  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(waitMs)]);
  const answers = ends.map(({ partition, end }) =>
    findAck(log.fetch('command', partition, end, { signal }), command.commandId),
  );
  const ack = waitMs === 0 ? undefined : await firstFound(answers);
  const outcome: string = ack?.outcome ?? (waitMs === 0 ? 'sent' : 'no answer yet');
  context.stdout.write(
    values.json
      ? `${JSON.stringify({ commandId: command.commandId, droneId, action, outcome, ...(ack?.note && { note: ack.note }) })}\n`
      : `${droneId} ${action}: ${outcome}${ack?.note ? ` (${ack.note})` : ''}\n`,
  );
  return outcome === 'done' || outcome === 'sent' ? 0 : 1;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        case: { type: 'string' },
        violations: { type: 'string' },
        frames: { type: 'string' },
        'expires-s': { type: 'string', default: '300' },
        'wait-s': { type: 'string', default: '30' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw wrongUse((error as Error).message);
  }
}

function configIn({ violations, frames }: { violations?: string; frames?: string }): Command['config'] {
  if (frames !== undefined && frames !== 'on' && frames !== 'off') throw wrongUse('--frames takes on or off');
  if (violations === undefined && frames === undefined) return undefined;
  return {
    ...(violations === undefined ? {} : { violationsPerHour: numberIn(violations, '--violations', 0) }),
    ...(frames === undefined ? {} : { frames: frames === 'on' }),
  };
}

function numberIn(text: string, option: string, min: number): number {
  const value = Number(text);
  if (text === '' || !(value >= min && value <= 86_400))
    throw wrongUse(`${option} takes a number from ${min} to 86400`);
  return value;
}

async function findAck(batches: AsyncIterable<RecordBatch>, commandId: string): Promise<Ack | undefined> {
  for await (const { records } of batches) {
    for (const record of records) {
      const message = parseJson(messageText(record));
      if (isAck.Check(message) && message.commandId === commandId) return message;
    }
  }
  return undefined;
}

/** The first answer that is one; undefined when all have ended without. */
async function firstFound(searches: readonly Promise<Ack | undefined>[]): Promise<Ack | undefined> {
  const found = Promise.withResolvers<Ack | undefined>();
  for (const search of searches) search.then(ack => ack !== undefined && found.resolve(ack), found.reject);
  Promise.all(searches).then(() => found.resolve(undefined), found.reject);
  return found.promise;
}
