import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { newPassword } from '../../core/accounts.ts';
import { encodeCredentials } from '../../core/credentials.ts';
import { AppError, defineErrors } from '../../core/errors.ts';
import { idPattern } from '../../core/ids.ts';
import type { EventLog } from '../../log/event-log.ts';
import { addDrones, readDroneAccounts, revokeDrone } from '../drone-accounts.ts';

export const usage = `Usage: prestacop drone add ID [--fleet nyc]
       prestacop drone add --count N [--fleet nyc] --out FILE
       prestacop drone revoke ID

add      gives a drone a password (printed once; a new one replaces the old) so that it may connect
revoke   takes it back and ends the drone's connection; holds at every broker within 2 s

  --fleet NAME   the drone's fleet (default nyc); an id belongs to one fleet only
  --count N      as many drones of the fleet, NAME-0001 and so on: the next free numbers
  --out FILE     a new file for "droneId, fleet, password" as JSON lines (mode 0600), for EDGE_CREDENTIALS_FILE
  --json         one JSON document on standard output
`;

export const droneErrors = defineErrors('DRONE', {
  WRONG_USE: { misuse: true, message: '{problem}\n\n{usage}' },
  OTHER_FLEET: { message: 'The drone {droneId} belongs to the fleet {fleet}: revoke it first, or choose another id' },
  FILE_EXISTS: {
    misuse: true,
    message: '{path} exists, and may hold passwords that are nowhere else: name another file',
  },
  UNKNOWN: { message: 'There is no drone {droneId}' },
});

const wrongUse = (problem: string) => droneErrors.WRONG_USE({ problem, usage });
const isId = (text: string) => new RegExp(idPattern).test(text);

interface Context {
  openLog(): Promise<EventLog>;
  stdout: { write(text: string): void };
  stderr: { write(text: string): void };
  signal: AbortSignal;
}

/** Runs the command and gives its exit code. */
export async function run(args: string[], context: Context): Promise<number> {
  const { values, positionals } = parse(args);
  const [action, droneId] = positionals;
  const { fleet, count, out, json } = values;
  if (!isId(fleet)) throw wrongUse(`--fleet ${fleet}: lower-case letters, digits and hyphens, at most 32`);
  if (droneId !== undefined && !isId(droneId))
    throw wrongUse(`${droneId}: lower-case letters, digits and hyphens, at most 32`);
  if (action === 'add' && (droneId === undefined) === (count === undefined))
    throw wrongUse('add takes an ID or --count N');
  if (action === 'add' && count !== undefined && out === undefined) throw wrongUse('--count needs --out FILE');
  if (action === 'revoke' && droneId === undefined) throw wrongUse('revoke takes an ID');
  if (action !== 'add' && action !== 'revoke') throw wrongUse(`add or revoke expected, ${action ?? 'nothing'} found`);

  const log = await context.openLog();
  const accounts = await readDroneAccounts(log, context.signal);
  if (action === 'revoke') {
    const known = accounts.fleetOf(droneId!);
    if (known === undefined) throw droneErrors.UNKNOWN({ droneId });
    await revokeDrone(log, droneId!, known, Date.now());
    context.stdout.write(json ? `${JSON.stringify({ revoked: droneId })}\n` : `${droneId} may no longer connect\n`);
    return 0;
  }

  const ids =
    droneId === undefined ? freeIds(fleet, Number(count), id => accounts.fleetOf(id) !== undefined) : [droneId];
  for (const id of ids) {
    const known = accounts.fleetOf(id);
    if (known !== undefined && known !== fleet) throw droneErrors.OTHER_FLEET({ droneId: id, fleet: known });
  }
  const added = new Map(ids.map(id => [id, { fleet, password: newPassword() }]));
  // The file first: passwords that the log knows and nobody else would be lost.
  if (out !== undefined) writeNew(out, encodeCredentials(added));
  await addDrones(log, added, Date.now());
  if (json) {
    const drones = [...added].map(([id, { password }]) => ({
      droneId: id,
      fleet,
      ...(out === undefined ? { password } : {}),
    }));
    context.stdout.write(`${JSON.stringify({ added: drones, ...(out === undefined ? {} : { out }) })}\n`);
  } else if (out === undefined) {
    context.stdout.write(`droneId   ${ids[0]}\nfleet     ${fleet}\npassword  ${added.get(ids[0]!)!.password}\n`);
    context.stderr.write('The password is not stored and not shown again.\n');
  } else {
    context.stdout.write(`${ids.length} drones of the fleet ${fleet}; their passwords are in ${out}\n`);
  }
  return 0;
}

/** Passwords that stand in a file already are never overwritten: nobody could make them again. */
function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600, flush: true, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw droneErrors.FILE_EXISTS({ path });
    throw error;
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        fleet: { type: 'string', default: 'nyc' },
        count: { type: 'string' },
        out: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw error instanceof AppError ? error : wrongUse((error as Error).message);
  }
}

function freeIds(fleet: string, count: number, taken: (id: string) => boolean): string[] {
  if (!Number.isInteger(count) || count < 1 || count > 10_000)
    throw wrongUse('--count takes a whole number from 1 to 10000');
  const ids: string[] = [];
  for (let number = 1; ids.length < count; number++) {
    const id = `${fleet}-${String(number).padStart(4, '0')}`;
    if (!isId(id)) throw wrongUse(`the fleet's name ${fleet} leaves no room for a number`);
    if (!taken(id)) ids.push(id);
  }
  return ids;
}
