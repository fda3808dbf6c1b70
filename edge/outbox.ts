import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { defineErrors } from '../core/errors.ts';
import { newUlid } from '../core/ids.ts';
import { SeqRanges } from '../core/seq-ranges.ts';
import { encodeTopic } from '../core/topics.ts';
import type { Draft, NumberedKind } from './drone.ts';
import { Lane, type Message } from './lane.ts';
import { renewIdentity, sameOutbox } from './outbox-identity.ts';
import { isFull, openOutboxDatabase, prepareStatements, rowBytes } from './outbox-statements.ts';

/** The order of sending (D5). */
export const sendingOrder: readonly NumberedKind[] = ['violation', 'ack', 'telemetry'];

export const outboxErrors = defineErrors('EDGE', {
  OUTBOX_IN_USE: { message: 'Another edge process flies the drones of {path}: stop it, or choose another DATA_DIR' },
  OUTBOX_FAILED: { message: 'The outbox {path} cannot be opened: {reason}' },
});

/** What one drone has in the outbox. */
export interface DroneOutbox {
  readonly droneId: string;
  readonly fleet: string;
  /** Names the numbering of new messages; older messages keep theirs (D2). */
  readonly epoch: string;
  readonly lanes: Readonly<Record<NumberedKind, Lane>>;
  readonly settings: DroneSettings;
}

/** What commands left behind; survives a restart. */
export interface DroneSettings {
  ordered: 'hold' | 'return' | undefined;
  violationsPerHour: number | undefined;
}

export type DoneCommand = NonNullable<Draft['done']>;

/** Totals over all drones and epochs of the file. */
export interface OutboxCounts {
  made: number;
  acknowledged: number;
  refused: number;
  waiting: number;
  waitingBytes: number;
}

export interface Entry {
  drone: DroneOutbox;
  draft: Draft;
}

/**
 * Messages on disk until their PUBACK: SQLite, WAL, `synchronous=FULL` (D1). One process writes (`EDGE_OUTBOX_IN_USE`);
 * others, as the audit, may read the file meanwhile.
 */
export interface Outbox {
  readonly path: string;
  /** Registers drones, or finds what an earlier run left of them; in their order. */
  addDrones(drones: readonly { droneId: string; fleet: string }[]): DroneOutbox[];
  /**
   * One transaction: numbers and stores the drafts, in their order, and removes what was acknowledged since the call
   * before. A draft that finds no room gets no number and is counted; those are returned. Never throws for a full disk.
   */
  write(entries: readonly Entry[]): readonly Entry[];
  /** The next message to send by kind and age, which is then in flight; undefined when there is none to send now. */
  take(drone: DroneOutbox): Message | undefined;
  /** The connection is gone: what was in flight is taken again, in the same order. */
  lostConnection(drone: DroneOutbox): void;
  /** The PUBACK came: out of memory now, off the disk with the next `write`. Until then it may be sent once more. */
  acknowledged(drone: DroneOutbox, message: Message): void;
  /** Whether there is room, with some to spare: a drone that holds may go on. */
  hasRoom(): boolean;
  /** Stored with the next `write`. */
  changeSettings(drone: DroneOutbox, settings: Partial<DroneSettings>): void;
  doneCommand(droneId: string, commandId: string): DoneCommand | undefined;
  /** The row of the sample behind a violation, as long as it is remembered. */
  ticketOf(droneId: string, epoch: string, seq: number): number | undefined;
  lowestUnacknowledged(drone: DroneOutbox, kind: NumberedKind): number | undefined;
  backlog(drone: DroneOutbox): { messages: number; bytes: number };
  /** Messages of drones that were not added: they stay, and nobody sends them. */
  waitingOfOthers(): number;
  counts(): Readonly<OutboxCounts>;
  close(): void;
}

/** Telemetry finds room up to this share of the limit; violations and acks up to all of it. */
const telemetryShare = 0.9;
/** A drone that holds goes on when the outbox is emptier than this. */
const roomAgainShare = 0.8;
/** Acknowledged and still on disk; only a full disk lets so many gather, and sending then waits. */
const removalsMax = 10_000;
const truthsMax = 100_000;
const doneCommandsMax = 10_000;

export interface OutboxOptions {
  maxBytes: number;
  /** Only tests give another one. */
  newEpoch?: () => string;
  openDatabase?: typeof openOutboxDatabase;
}

export function openOutbox(path: string, options: OutboxOptions): Outbox {
  const { maxBytes, newEpoch = newUlid, openDatabase = openOutboxDatabase } = options;
  const { lock, database, sql } = openFiles(path, openDatabase);
  const drones = new Map<string, DroneOutbox>();
  const counts = { ...(sql.counts.get() as unknown as OutboxCounts) };
  let removals: Message[] = [];
  let diskFull = false;
  const changedLanes = new Map<Lane, DroneOutbox>();
  const changedDrones = new Set<DroneOutbox>();

  function addDrone(droneId: string, fleet: string): DroneOutbox {
    const known = sql.drone.get(droneId) as { epoch: string | null; ordered: string; rate: number } | undefined;
    const epoch = known?.epoch ?? newEpoch();
    const settings: DroneSettings = {
      ordered: (known?.ordered as DroneSettings['ordered']) ?? undefined,
      violationsPerHour: known?.rate ?? undefined,
    };
    const lane = (kind: NumberedKind) => {
      const epochs = (sql.epochs.all(droneId, kind) as { epoch: string }[]).map(row => row.epoch);
      const row = sql.ledger.get(droneId, epoch, kind) as { made: number; refused: number } | undefined;
      const older = epochs.filter(other => other !== epoch && sql.lowest.get(droneId, other, kind)?.seq != null);
      return new Lane(kind, row?.made ?? 0, row?.refused ?? 0, [...older, epoch], (of, seq, count) =>
        (sql.page.all(droneId, of, kind, seq, count) as unknown as (Message & { payload: Uint8Array })[]).map(row => ({
          ...row,
          kind,
          payload: Buffer.from(row.payload.buffer, row.payload.byteOffset, row.payload.byteLength),
        })),
      );
    };
    const lanes = { violation: lane('violation'), ack: lane('ack'), telemetry: lane('telemetry') };
    const drone: DroneOutbox = { droneId, fleet, epoch, lanes, settings };
    sql.setDrone.run(droneId, fleet, epoch, settings.ordered ?? null, settings.violationsPerHour ?? null);
    for (const kind of sendingOrder)
      sql.setLedger.run(droneId, epoch, kind, fleet, lanes[kind].made, lanes[kind].refused);
    drones.set(droneId, drone);
    return drone;
  }

  function store(entries: readonly Entry[]): { stored: Message[]; refused: Entry[]; bytes: number } {
    const stored: Message[] = [];
    const refused: Entry[] = [];
    const numbered = new Map<Lane, number>();
    let bytes = 0;
    for (const entry of entries) {
      const { drone, draft } = entry;
      const { droneId, fleet, epoch } = drone;
      const { kind, truth, done } = draft;
      const lane = drone.lanes[kind];
      const seq = (numbered.get(lane) ?? lane.made) + 1;
      const { observedAtMs, body } = draft;
      const payload = Buffer.from(JSON.stringify({ v: 1, droneId, fleet, epoch, seq, observedAtMs, ...body }));
      const limit = kind === 'telemetry' ? maxBytes * telemetryShare : maxBytes;
      if (counts.waitingBytes + bytes + payload.length + rowBytes > limit) {
        refused.push(entry);
        continue;
      }
      const topic = encodeTopic({ fleet, droneId, kind });
      const id = Number(sql.insert.run(droneId, epoch, kind, seq, topic, payload).lastInsertRowid);
      if (truth !== undefined) {
        sql.addTruth.run(droneId, epoch, seq, truth.code, truth.ticket);
        sql.forgetTruth.run(droneId, epoch, seq - truthsMax);
      }
      if (done !== undefined) {
        const row = sql.addDone.run(droneId, done.commandId, done.outcome, done.note ?? null);
        sql.forgetDone.run(Number(row.lastInsertRowid) - doneCommandsMax);
      }
      numbered.set(lane, seq);
      bytes += payload.length + rowBytes;
      stored.push({ id, droneId, kind, epoch, seq, topic, payload });
    }
    return { stored, refused, bytes };
  }

  function remove(): void {
    const ranges = new Map<string, { message: Message; seqs: SeqRanges }>();
    for (const message of removals) {
      sql.remove.run(message.id);
      const key = `${message.droneId}/${message.epoch}/${message.kind}`;
      const entry = ranges.get(key) ?? { message, seqs: new SeqRanges() };
      entry.seqs.add(message.seq);
      ranges.set(key, entry);
    }
    for (const { message, seqs } of ranges.values()) {
      for (const [first, last] of seqs.ranges) mergeRange(message, first, last);
    }
  }

  /** Keeps `acknowledged` as ranges that neither overlap nor touch. */
  function mergeRange({ droneId, epoch, kind }: Message, first: number, last: number): void {
    const before = sql.rangeBefore.get(droneId, epoch, kind, first) as
      | { first_seq: number; last_seq: number }
      | undefined;
    const joins = before !== undefined && before.last_seq >= first - 1;
    const from = joins ? before.first_seq : first;
    let to = joins ? Math.max(before.last_seq, last) : last;
    for (const row of sql.absorb.all(droneId, epoch, kind, from, to + 1)) to = Math.max(to, Number(row.last_seq));
    sql.setRange.run(droneId, epoch, kind, from, to);
  }

  function saveLedger(numbered: readonly Message[], refused: readonly Entry[]): void {
    for (const { droneId, kind } of numbered) touch(drones.get(droneId)!, kind);
    for (const { drone, draft } of refused) touch(drone, draft.kind);
    const made = new Map<Lane, number>(
      numbered.map(({ droneId, kind, seq }) => [drones.get(droneId)!.lanes[kind], seq]),
    );
    const notStored = new Map<Lane, number>();
    for (const { drone, draft } of refused) {
      const lane = drone.lanes[draft.kind];
      notStored.set(lane, (notStored.get(lane) ?? 0) + 1);
    }
    for (const [lane, { droneId, epoch, fleet }] of changedLanes) {
      const lost = lane.refused + (notStored.get(lane) ?? 0);
      sql.setLedger.run(droneId, epoch, lane.kind, fleet, made.get(lane) ?? lane.made, lost);
    }
    for (const { droneId, fleet, epoch, settings } of changedDrones) {
      sql.setDrone.run(droneId, fleet, epoch, settings.ordered ?? null, settings.violationsPerHour ?? null);
    }
  }

  function touch(drone: DroneOutbox, kind: NumberedKind): void {
    changedLanes.set(drone.lanes[kind], drone);
  }

  /** False when the disk is full and nothing was written. */
  function transaction(work: () => void): boolean {
    try {
      database.exec('begin immediate');
      work();
      database.exec('commit');
      return true;
    } catch (error) {
      if (database.isTransaction) database.exec('rollback');
      if (!isFull(error)) throw error;
      return false;
    }
  }

  function write(entries: readonly Entry[]): readonly Entry[] {
    if (entries.length === 0 && removals.length === 0 && changedLanes.size === 0 && changedDrones.size === 0) return [];
    let result: ReturnType<typeof store> = { stored: [], refused: [], bytes: 0 };
    diskFull = !transaction(() => {
      remove();
      result = store(entries);
      saveLedger(result.stored, result.refused);
    });
    if (diskFull) {
      result = { stored: [], refused: [...entries], bytes: 0 };
      for (const { drone, draft } of entries) touch(drone, draft.kind);
    } else {
      for (const { payload } of removals) counts.waitingBytes -= payload.length + rowBytes;
      removals = [];
      changedLanes.clear();
      changedDrones.clear();
    }
    for (const message of result.stored) {
      const lane = drones.get(message.droneId)!.lanes[message.kind];
      lane.made = message.seq;
      lane.stored(message);
    }
    for (const { drone, draft } of result.refused) drone.lanes[draft.kind].refused++;
    counts.made += result.stored.length;
    counts.waiting += result.stored.length;
    counts.waitingBytes += result.bytes;
    counts.refused += result.refused.length;
    return result.refused;
  }

  return {
    path,
    addDrones(wanted) {
      let added: DroneOutbox[] = [];
      const room = transaction(() => {
        added = wanted.map(({ droneId, fleet }) => addDrone(droneId, fleet));
      });
      if (!room) throw outboxErrors.OUTBOX_FAILED({ path, reason: 'the disk is full' });
      return added;
    },
    write,
    take({ lanes }) {
      if (removals.length >= removalsMax) return undefined;
      return lanes.violation.take() ?? lanes.ack.take() ?? lanes.telemetry.take();
    },
    lostConnection({ lanes }) {
      for (const kind of sendingOrder) lanes[kind].lostConnection();
    },
    acknowledged(drone, message) {
      if (!drone.lanes[message.kind].acknowledged(message)) return;
      removals.push(message);
      counts.acknowledged++;
      counts.waiting--;
    },
    hasRoom: () => !diskFull && counts.waitingBytes < maxBytes * roomAgainShare,
    changeSettings(drone, settings) {
      Object.assign(drone.settings, settings);
      changedDrones.add(drone);
    },
    doneCommand: (droneId, commandId) => {
      const row = sql.done.get(droneId, commandId) as
        | { outcome: DoneCommand['outcome']; note: string | null }
        | undefined;
      return row === undefined ? undefined : { commandId, outcome: row.outcome, note: row.note ?? undefined };
    },
    ticketOf: (droneId, epoch, seq) => sql.truth.get(droneId, epoch, seq)?.ticket as number | undefined,
    lowestUnacknowledged: ({ droneId, epoch }, kind) =>
      (sql.lowest.get(droneId, epoch, kind)?.seq ?? undefined) as number | undefined,
    backlog: ({ droneId }) => sql.backlog.get(droneId) as unknown as { messages: number; bytes: number },
    waitingOfOthers: () =>
      (sql.waiting.all() as { droneId: string; messages: number }[])
        .filter(({ droneId }) => !drones.has(droneId))
        .reduce((sum, { messages }) => sum + messages, 0),
    counts: () => counts,
    close() {
      database.close();
      lock.close();
    },
  };
}

function openFiles(path: string, openDatabase: typeof openOutboxDatabase) {
  mkdirSync(dirname(path), { recursive: true });
  const lock = takeLock(path);
  let database: DatabaseSync | undefined;
  try {
    database = openDatabase(path);
    const sql = prepareStatements(database);
    if (!sameOutbox(database, path)) database.exec('update drone set epoch = null');
    sql.setMeta.run('identity', renewIdentity(path));
    return { lock, database, sql };
  } catch (error) {
    database?.close();
    lock.close();
    throw outboxErrors.OUTBOX_FAILED({ path, reason: (error as Error).message }, error);
  }
}

/** A SQLite lock on a file of its own: it dies with its process, however that ends. */
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec('pragma journal_mode=memory; begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    throw outboxErrors.OUTBOX_IN_USE({ path }, error);
  }
}
