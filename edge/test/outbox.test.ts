import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../core/errors.ts';
import { ledgerFolder, readLedgers } from '../../core/ledger.ts';
import type { Draft, NumberedKind } from '../drone.ts';
import { type Outbox, type OutboxOptions, openOutbox } from '../outbox.ts';
import type { DroneOutbox } from '../outbox-drone.ts';
import { openOutboxDatabase } from '../outbox-statements.ts';
import type { Outgoing } from '../sending.ts';
import { temporaryFolder } from './world.ts';

const drones = [
  { droneId: 'nyc-0001', fleet: 'nyc' },
  { droneId: 'nyc-0002', fleet: 'nyc' },
];
const draft = (kind: NumberedKind, note = ''): Draft => ({ kind, observedAtMs: 1_795_605_600_000, body: { note } });

function open(t: TestContext, dataDir: string, options: Partial<OutboxOptions> = {}) {
  const outbox = openOutbox(join(ledgerFolder(dataDir), 'fleet.sqlite'), { maxBytes: 1e9, ...options });
  let closed = false;
  const close = () => {
    if (!closed) outbox.close();
    closed = true;
  };
  t.after(close);
  const [first, second] = outbox.addDrones(drones);
  return { outbox, first: first!, second: second!, close };
}

function takeAll(outbox: Outbox, drone: DroneOutbox): Outgoing[] {
  const messages: Outgoing[] = [];
  for (let next = outbox.take(drone); next !== undefined; next = outbox.take(drone)) messages.push(next);
  return messages;
}

const names = (messages: readonly Outgoing[]) => messages.map(({ kind, seq }) => `${kind} ${seq}`);

/** What the audit checks of a ledger: every number made is either acknowledged or waiting, and none is both. */
function assertBalanced(dataDir: string): void {
  for (const { made, acknowledged, waiting } of readLedgers(dataDir)) {
    assert.equal(acknowledged.count + waiting.count, made);
    assert.equal(acknowledged.minus(waiting).count, acknowledged.count);
    assert.ok([...acknowledged.ranges, ...waiting.ranges].every(([low, high]) => low >= 1 && high <= made));
  }
}

test('D1: what is committed survives a power cut: WAL with synchronous=FULL', t => {
  const database = openOutboxDatabase(join(temporaryFolder(t), 'x.sqlite'));
  t.after(() => database.close());
  assert.equal(database.prepare('pragma synchronous').get()!.synchronous, 2);
  assert.equal(database.prepare('pragma journal_mode').get()!.journal_mode, 'wal');
});

test('D2: each kind of each drone is counted from 1, and goes on after a reopening', t => {
  const dataDir = temporaryFolder(t);
  const before = open(t, dataDir);
  const { first, second } = before;
  before.outbox.write([
    { drone: first, draft: draft('telemetry') },
    { drone: first, draft: draft('violation') },
    { drone: second, draft: draft('telemetry') },
    { drone: first, draft: draft('telemetry') },
  ]);
  assert.deepEqual(names(takeAll(before.outbox, first)), ['violation 1', 'telemetry 1', 'telemetry 2']);
  before.close();

  const after = open(t, dataDir);
  assert.equal(after.first.epoch, first.epoch);
  after.outbox.write([{ drone: after.first, draft: draft('telemetry') }]);
  const messages = takeAll(after.outbox, after.first);
  assert.deepEqual(names(messages), ['violation 1', 'telemetry 1', 'telemetry 2', 'telemetry 3']);
  const { topic, payload } = messages.at(-1)!;
  assert.equal(topic, 'prestacop/v1/nyc/nyc-0001/telemetry');
  assert.deepEqual(JSON.parse(payload.toString()), {
    v: 1,
    ...drones[0],
    epoch: first.epoch,
    seq: 3,
    observedAtMs: 1_795_605_600_000,
    note: '',
  });
  assertBalanced(dataDir);
});

test('D5: violations go first, then acks, then telemetry; a lost connection sends what was in flight again, in order', t => {
  const { outbox, first } = open(t, temporaryFolder(t));
  const kinds: NumberedKind[] = ['telemetry', 'ack', 'telemetry', 'violation', 'ack', 'violation'];
  outbox.write(kinds.map(kind => ({ drone: first, draft: draft(kind) })));
  const order = ['violation 1', 'violation 2', 'ack 1', 'ack 2', 'telemetry 1', 'telemetry 2'];
  const messages = takeAll(outbox, first);
  assert.deepEqual(names(messages), order);
  outbox.acknowledged(first, messages[1]!);
  outbox.acknowledged(first, messages[1]!);
  outbox.lostConnection(first);
  assert.deepEqual(names(takeAll(outbox, first)), order.toSpliced(1, 1));
  assert.equal(outbox.counts().acknowledged, 1);
});

test('any window can be in flight, also one larger than what is held ahead', t => {
  const { outbox, first } = open(t, temporaryFolder(t));
  for (let round = 0; round < 4; round++) {
    outbox.write(Array.from({ length: 100 }, () => ({ drone: first, draft: draft('telemetry') })));
  }
  const messages = takeAll(outbox, first);
  assert.deepEqual(names(messages).slice(-2), ['telemetry 399', 'telemetry 400']);
  outbox.lostConnection(first);
  outbox.write([{ drone: first, draft: draft('telemetry') }]);
  assert.deepEqual(
    takeAll(outbox, first).map(({ seq }) => seq),
    Array.from({ length: 401 }, (_, index) => index + 1),
  );
});

test('a backlog larger than memory holds is sent in order, while new messages join it', t => {
  const dataDir = temporaryFolder(t);
  const before = open(t, dataDir);
  for (let round = 0; round < 5; round++) {
    before.outbox.write(Array.from({ length: 100 }, () => ({ drone: before.first, draft: draft('telemetry') })));
  }
  before.close();
  const { outbox, first } = open(t, dataDir);
  const seqs: number[] = [];
  for (let next = outbox.take(first); next !== undefined; next = outbox.take(first)) {
    seqs.push(next.seq);
    outbox.acknowledged(first, next);
    if (seqs.length % 50 === 0 && seqs.length <= 500) outbox.write([{ drone: first, draft: draft('telemetry') }]);
  }
  assert.deepEqual(
    seqs,
    Array.from({ length: 510 }, (_, index) => index + 1),
  );
  outbox.write([]);
  assert.deepEqual(outbox.counts(), { made: 510, acknowledged: 510, refused: 0, waiting: 0, waitingBytes: 0 });
  assert.deepEqual(readLedgers(dataDir)[0]!.kind, 'ack');
  assert.deepEqual(readLedgers(dataDir).find(({ made }) => made > 0)!.acknowledged.ranges, [[1, 510]]);
});

test('whatever is made, sent, acknowledged, lost and reopened: nothing is lost, renumbered or out of order', t => {
  type Step = { do: 'write'; kinds: NumberedKind[] } | { do: 'send' | 'ack' | 'lose' | 'reopen'; count: number };
  const kinds = fc.array(fc.constantFrom<NumberedKind[]>('violation', 'ack', 'telemetry'), {
    minLength: 1,
    maxLength: 90,
  });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant('write' as const), kinds }),
    fc.record({ do: fc.constantFrom('send' as const, 'ack' as const, 'lose' as const), count: fc.nat(80) }),
    fc.record({ do: fc.constant('reopen' as const), count: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 25 }), steps => {
      const dataDir = temporaryFolder(t);
      let { outbox, first, close } = open(t, dataDir);
      let text = 0;
      const firstSent = new Map<string, string>();
      let inFlight: Outgoing[] = [];
      const send = (count: number) => {
        for (let index = 0; index < count; index++) {
          const message = outbox.take(first);
          if (message === undefined) return;
          const payload = message.payload.toString();
          const name = `${message.epoch} ${message.kind} ${message.seq}`;
          assert.equal(firstSent.get(name) ?? payload, payload, 'one number, one content');
          firstSent.set(name, payload);
          inFlight.push(message);
          const ofKind = inFlight.filter(({ kind }) => kind === message.kind).map(({ seq }) => seq);
          assert.deepEqual(
            ofKind,
            ofKind.toSorted((a, b) => a - b),
          );
        }
      };
      for (const what of steps) {
        if (what.do === 'write') {
          outbox.write(what.kinds.map(kind => ({ drone: first, draft: draft(kind, `${++text}`) })));
        } else if (what.do === 'send') send(what.count);
        else if (what.do === 'ack') {
          for (const message of inFlight.splice(what.count % 3, what.count)) outbox.acknowledged(first, message);
        } else {
          inFlight = [];
          if (what.do === 'lose') outbox.lostConnection(first);
          else {
            close();
            ({ outbox, first, close } = open(t, dataDir));
          }
        }
        assertBalanced(dataDir);
      }
      outbox.lostConnection(first);
      inFlight = [];
      send(10_000);
      for (const message of inFlight) outbox.acknowledged(first, message);
      outbox.write([]);
      assert.equal(firstSent.size, text);
      assert.deepEqual(
        { ...outbox.counts(), refused: 0 },
        { made: text, acknowledged: text, refused: 0, waiting: 0, waitingBytes: 0 },
      );
      assertBalanced(dataDir);
      close();
      const database = new DatabaseSync(outbox.path, { readOnly: true });
      const ranges = database.prepare('select kind, count(*) as count from acknowledged group by kind').all();
      database.close();
      assert.ok(
        ranges.every(({ count }) => count === 1),
        'ranges that touch are one',
      );
    }),
    { numRuns: 25 },
  );
});

test('D2: what finds no room gets no number and is counted; telemetry is refused first', t => {
  const dataDir = temporaryFolder(t);
  const { outbox, first } = open(t, dataDir, { maxBytes: 10_000 });
  const add = (kind: NumberedKind) => outbox.write([{ drone: first, draft: draft(kind) }]).length === 0;
  let telemetry = 0;
  while (add('telemetry')) telemetry++;
  assert.ok(telemetry > 10 && outbox.counts().waitingBytes <= 9000);
  let violations = 0;
  while (add('violation')) violations++;
  assert.ok(violations > 1 && outbox.counts().waitingBytes <= 10_000 && outbox.counts().waitingBytes > 9500);
  assert.equal(add('ack'), false);
  assert.equal(outbox.hasRoom(), false);

  const refusals = readLedgers(dataDir).filter(({ droneId }) => droneId === 'nyc-0001');
  assert.deepEqual(
    refusals.map(({ kind, made, refused }) => [kind, made, refused]),
    [
      ['ack', 0, 1],
      ['telemetry', telemetry, 1],
      ['violation', violations, 1],
    ],
  );
  for (const message of takeAll(outbox, first)) outbox.acknowledged(first, message);
  outbox.write([]);
  assert.equal(outbox.hasRoom(), true);
  assert.equal(add('telemetry'), true);
  assert.equal(takeAll(outbox, first)[0]!.seq, telemetry + 1);
  assertBalanced(dataDir);
});

test('a full disk refuses like a full outbox, and what was acknowledged meanwhile is removed once there is room', t => {
  const dataDir = temporaryFolder(t);
  let database: ReturnType<typeof openOutboxDatabase>;
  const { outbox, first } = open(t, dataDir, {
    openDatabase: path => {
      database = openOutboxDatabase(path);
      return database;
    },
  });
  outbox.write([{ drone: first, draft: draft('violation') }]);
  const pages = Number(database!.prepare('pragma page_count').get()!.page_count);
  database!.exec(`pragma max_page_count=${pages}`);
  const large = draft('violation', 'x'.repeat(40_000));
  const [sent] = takeAll(outbox, first);
  outbox.acknowledged(first, sent!);
  assert.equal(outbox.write([{ drone: first, draft: large }]).length, 1);
  assert.deepEqual([first.made.violation, first.refused.violation, outbox.hasRoom()], [1, 1, false]);

  database!.exec('pragma max_page_count=100000');
  assert.equal(outbox.write([{ drone: first, draft: large }]).length, 0);
  assert.equal(outbox.hasRoom(), true);
  const ledger = readLedgers(dataDir).find(({ droneId, kind }) => droneId === 'nyc-0001' && kind === 'violation')!;
  assert.deepEqual(
    [ledger.made, ledger.refused, ledger.acknowledged.ranges, ledger.waiting.ranges],
    [2, 1, [[1, 1]], [[2, 2]]],
  );
});

test('D2: a copied and a restored outbox begin a new epoch; messages already in it keep their identity and go first', t => {
  const dataDir = temporaryFolder(t);
  const before = open(t, dataDir);
  before.outbox.write([{ drone: before.first, draft: draft('telemetry') }]);
  before.close();
  const path = before.outbox.path;
  const backup = join(temporaryFolder(t), 'backup.sqlite');
  copyFileSync(path, backup);
  const again = open(t, dataDir);
  assert.equal(again.first.epoch, before.first.epoch);
  again.outbox.write([{ drone: again.first, draft: draft('telemetry', 'made after the backup') }]);
  again.close();

  const copy = temporaryFolder(t);
  cpSync(ledgerFolder(dataDir), ledgerFolder(copy), { recursive: true, preserveTimestamps: true });
  copyFileSync(backup, path);
  for (const folder of [copy, dataDir]) {
    const other = open(t, folder);
    assert.notEqual(other.first.epoch, before.first.epoch);
    other.outbox.write([{ drone: other.first, draft: draft('telemetry') }]);
    const messages = takeAll(other.outbox, other.first);
    assert.deepEqual(
      messages.map(({ epoch, seq }) => [epoch === before.first.epoch, seq]),
      folder === copy
        ? [
            [true, 1],
            [true, 2],
            [false, 1],
          ]
        : [
            [true, 1],
            [false, 1],
          ],
    );
    for (const message of messages) other.outbox.acknowledged(other.first, message);
    other.close();
    assertBalanced(folder);
  }
});

test('only one process flies the drones of an outbox, and messages of drones it does not fly are told', t => {
  const dataDir = temporaryFolder(t);
  const { outbox, second, close } = open(t, dataDir);
  assert.throws(
    () => open(t, dataDir),
    (error: unknown) => hasCode(error, 'EDGE_OUTBOX_IN_USE'),
  );
  outbox.write([{ drone: second, draft: draft('telemetry') }]);
  close();
  const fewer = openOutbox(outbox.path, { maxBytes: 1e9 });
  t.after(() => fewer.close());
  fewer.addDrones(drones.slice(0, 1));
  assert.equal(fewer.waitingOfOthers(), 1);
});

test('kill -9 at any moment: no number is given twice, nothing committed is lost', async t => {
  const dataDir = temporaryFolder(t);
  mkdirSync(ledgerFolder(dataDir), { recursive: true });
  const path = join(ledgerFolder(dataDir), 'fleet.sqlite');
  const contents = new Map<number, string>();
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'outbox-writer.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let lines = 0;
    for await (const line of createInterface(child.stdout)) {
      const [seq, content] = line.split(' ');
      if (content === undefined) continue;
      assert.equal(contents.get(Number(seq)) ?? content, content, `number ${seq} has two contents`);
      contents.set(Number(seq), content);
      if (++lines === 60 + 37 * round) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGKILL');
    assertBalanced(dataDir);
    const ledger = readLedgers(dataDir).find(({ kind }) => kind === 'telemetry')!;
    assert.ok(ledger.made >= Math.max(...contents.keys()), 'a number was said before it was on disk');
  }
});
