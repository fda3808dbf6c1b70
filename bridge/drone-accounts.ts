import { type DroneAccount, DroneAccounts, parseDroneAccount, passwordSha256 } from '../core/accounts.ts';
import type { Credentials } from '../core/credentials.ts';
import type { EventLog } from '../log/event-log.ts';

/** Folds the stream `account` up to its present end. */
export async function readDroneAccounts(log: EventLog, signal: AbortSignal): Promise<DroneAccounts> {
  const accounts = new DroneAccounts();
  for (const { partition, earliest, end } of await log.ends('account')) {
    if (end === earliest) continue;
    for await (const { records } of log.fetch('account', partition, earliest, { signal, until: end })) {
      for (const { payload } of records) {
        const fact = parseDroneAccount(payload);
        if (fact !== undefined) accounts.apply(fact);
      }
    }
  }
  return accounts;
}

/** Appends an `add` for each of these drones; resolves when all are durable. */
export async function addDrones(log: EventLog, drones: Credentials, atMs: number): Promise<void> {
  const facts = [...drones].map(
    ([droneId, { fleet, password }]): DroneAccount => ({
      v: 1,
      subject: 'drone',
      action: 'add',
      droneId,
      fleet,
      passwordSha256: passwordSha256(password),
      atMs,
    }),
  );
  await appendFacts(log, facts);
}

/** Appends a `revoke`; every broker ends the drone's connection when it reads it. */
export async function revokeDrone(log: EventLog, droneId: string, fleet: string, atMs: number): Promise<void> {
  await appendFacts(log, [{ v: 1, subject: 'drone', action: 'revoke', droneId, fleet, atMs }]);
}

async function appendFacts(log: EventLog, facts: readonly DroneAccount[]): Promise<void> {
  await log.append(
    'account',
    facts.map(fact => ({ key: fact.droneId, headers: {}, payload: Buffer.from(JSON.stringify(fact)) })),
  );
}
