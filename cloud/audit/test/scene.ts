import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { parseConfig } from '../../../core/config.ts';
import { newUlid } from '../../../core/ids.ts';
import { ledgerFolder, ledgerSchema } from '../../../core/ledger.ts';
import { silentLogger } from '../../../core/logging.ts';
import { messageKinds } from '../../../core/messages.ts';
import { encodeTopic } from '../../../core/topics.ts';
import type { EventLog, LogRecord } from '../../../log/event-log.ts';
import { openEventLog } from '../../../log/open.ts';
import type { ObjectStore } from '../../archive/object-store.ts';

const fleet = 'nyc';
export const epoch = newUlid();

/** An archive that was never begun. */
export const nothingArchived: ObjectStore = {
  put: () => Promise.reject(new Error('the audit writes nothing')),
  get: () => Promise.reject(new Error('nothing is there')),
  remove: () => Promise.reject(new Error('the audit removes nothing')),
  async *list() {},
  locate: () => undefined,
};

/** A data folder with the real embedded log and a ledger that the test writes as an outbox would. */
export interface Scene {
  dataDir: string;
  config: ReturnType<typeof parseConfig>['config'];
  log: EventLog;
  ledger: DatabaseSync;
  /** Numbers messages in the ledger, each waiting in the outbox. */
  make(droneId: string, kind: string, from: number, to: number): void;
  /** Appends the messages to the log, and notes their PUBACK when there is a ledger of that drone. */
  deliver(droneId: string, kind: string, from: number, to: number): Promise<void>;
  /** make and deliver. */
  send(droneId: string, kind: string, from: number, to: number): Promise<void>;
}

export async function openScene(t: TestContext, env: Record<string, string> = {}): Promise<Scene> {
  const dataDir = await mkdtemp(join(tmpdir(), 'prestacop-audit-test-'));
  const { config } = parseConfig({ ...env, DATA_DIR: dataDir });
  const log = await openEventLog(config, { logger: silentLogger, role: 'other' });
  mkdirSync(ledgerFolder(dataDir), { recursive: true });
  const ledger = new DatabaseSync(join(ledgerFolder(dataDir), 'fleet.sqlite'));
  ledger.exec(`pragma journal_mode = wal; pragma synchronous = off; ${ledgerSchema}`);
  t.after(async () => {
    ledger.close();
    await log.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  const give = ledger.prepare(
    'insert into ledger (drone_id, epoch, kind, fleet, made) values (?, ?, ?, ?, ?) on conflict do update set made = excluded.made',
  );
  const store = ledger.prepare(
    'insert into outbox (drone_id, epoch, kind, seq, topic, payload) values (?, ?, ?, ?, ?, ?)',
  );
  const remove = ledger.prepare(
    'delete from outbox where drone_id = ? and epoch = ? and kind = ? and seq between ? and ?',
  );
  const acknowledge = ledger.prepare(
    'insert into acknowledged (drone_id, epoch, kind, first_seq, last_seq) values (?, ?, ?, ?, ?)',
  );

  const scene: Omit<Scene, 'send'> = {
    dataDir,
    config,
    log,
    ledger,
    make(droneId, kind, from, to) {
      give.run(droneId, epoch, kind, fleet, to);
      const topic = encodeTopic({ fleet, droneId, kind });
      for (let seq = from; seq <= to; seq++) store.run(droneId, epoch, kind, seq, topic, payloadOf(droneId, kind, seq));
    },
    async deliver(droneId, kind, from, to) {
      const { stream } = messageKinds.find(entry => entry.kind === kind)!;
      const records: LogRecord[] = [];
      for (let seq = from; seq <= to; seq++) records.push(recordOf(droneId, kind, payloadOf(droneId, kind, seq)));
      await log.append(stream, records);
      const { changes } = remove.run(droneId, epoch, kind, from, to);
      if (Number(changes) > 0) acknowledge.run(droneId, epoch, kind, from, to);
    },
  };
  return {
    ...scene,
    async send(...range) {
      scene.make(...range);
      await scene.deliver(...range);
    },
  };
}

export function recordOf(droneId: string, kind: string, payload: Buffer, more: Record<string, string> = {}): LogRecord {
  const topic = encodeTopic({ fleet, droneId, kind });
  return {
    key: droneId,
    headers: { topic, kind, node: 'test', connection: epoch, receivedAtMs: String(Date.now()), ...more },
    payload,
  };
}

/** The table's example with another identity. */
function payloadOf(droneId: string, kind: string, seq: number): Buffer {
  const { example } = messageKinds.find(entry => entry.kind === kind)!;
  return Buffer.from(JSON.stringify({ ...example, droneId, fleet, epoch, seq }));
}

/** A `state` record, as a real device sends it. */
export function stateRecord(droneId: string, kinds: Record<string, object>): LogRecord {
  const { example } = messageKinds.find(({ kind }) => kind === 'state')!;
  return recordOf(droneId, 'state', Buffer.from(JSON.stringify({ ...example, droneId, fleet, epoch, kinds })));
}
