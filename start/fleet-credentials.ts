import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { addDrones, readDroneAccounts } from '../bridge/drone-accounts.ts';
import { newPassword } from '../core/accounts.ts';
import { type Credentials, encodeCredentials, parseCredentials } from '../core/credentials.ts';
import type { EventLog } from '../log/event-log.ts';

/**
 * The embedded fleet's own passwords: kept in `path` (mode 0600), made for drones that have none, and entered into the
 * stream `account` for drones that it has never heard of, as at the first start or with a new log. One that was revoked,
 * or has got another password, stays so.
 */
export async function ensureFleetCredentials(
  log: EventLog,
  { path, fleet, droneIds, signal }: { path: string; fleet: string; droneIds: readonly string[]; signal: AbortSignal },
): Promise<Credentials> {
  const known = existsSync(path) ? parseCredentials(readFileSync(path, 'utf8')) : new Map();
  const missing = droneIds.filter(droneId => !known.has(droneId));
  if (missing.length > 0) {
    for (const droneId of missing) known.set(droneId, { fleet, password: newPassword() });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, encodeCredentials(known), { mode: 0o600, flush: true });
  }
  const accounts = await readDroneAccounts(log, signal);
  const unknown = [...known].filter(([droneId]) => !accounts.knows(droneId));
  if (unknown.length > 0) await addDrones(log, new Map(unknown), Date.now());
  return known;
}
