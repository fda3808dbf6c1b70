import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import type { EventLog } from '../event-log.ts';
import { ownerSocketPath, securePath } from '../owner-socket.ts';
import { collect, eventually, openLog, record, startAppender, temporaryFolder, text, texts } from './temporary-log.ts';

const signal = () => AbortSignal.timeout(20_000);

async function everything(log: EventLog): Promise<string[]> {
  const { end } = (await log.ends('telemetry'))[0]!;
  return texts(await collect(log.fetch('telemetry', 0, 0n, { signal: signal(), until: end })));
}

it('L6: a second bridge is refused and told which process writes', async t => {
  const dataDir = await temporaryFolder(t);
  const bridge = await startAppender(t, dataDir, 'bridge', 1);
  await assert.rejects(openLog(t, { dataDir }), {
    code: 'LOG_OWNED',
    retryable: false,
    message: new RegExp(`process ${bridge.pid}`),
  });
  const before = bridge.acknowledged();
  await eventually('the first goes on', () => bridge.acknowledged() > before);
  await bridge.kill();
  await openLog(t, { dataDir });
});

it('L6: another process appends through the socket, and both see all records in the same order', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  const appender = await startAppender(t, dataDir, 'other', 10);
  for (let number = 0; number < 50; number++) await log.append('telemetry', [record(`mine ${number}`)]);
  await eventually('appends of the other process', () => appender.acknowledged() >= 500);
  await appender.kill();
  const seen = await everything(log);
  const theirs = seen.filter(entry => !entry.startsWith('mine')).map(Number);
  assert.deepEqual(
    theirs,
    theirs.map((_, index) => index + 1),
  );
  assert.ok(theirs.length >= appender.acknowledged());
  assert.deepEqual(
    seen.filter(entry => entry.startsWith('mine')),
    Array.from({ length: 50 }, (_, number) => `mine ${number}`),
  );
});

it('L6: a reader in another process wakes for what the owner appends; groups are shared', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  const other = await openLog(t, { dataDir, role: 'other' });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const batch of other.read('telemetry', { group: 'g', signal: signal() })) {
      seen.push(...batch.records.map(text));
      await batch.commit();
      if (seen.length >= 3) break;
    }
  })();
  for (const entry of ['1', '2', '3']) {
    await log.append('telemetry', [record(entry)]);
    const [mine] = await other.ends('telemetry');
    assert.equal(mine!.end, BigInt(entry), 'ends are never older than the call');
  }
  await reading;
  assert.deepEqual(seen, ['1', '2', '3']);
  assert.deepEqual(await log.groups('telemetry'), [{ group: 'g', partition: 0, offset: 3n }]);
  assert.deepEqual(other.stats(), log.stats());
});

it('L6: whoever opens a log without an owner writes it, and hands it over when a bridge asks', async t => {
  const dataDir = await temporaryFolder(t);
  const first = await openLog(t, { dataDir, role: 'other' });
  const second = await openLog(t, { dataDir, role: 'other' });
  let number = 0;
  const stop = new AbortController();
  const appending = [first, second].map(async log => {
    while (!stop.signal.aborted) {
      const mine = String(number++);
      // A lost owner means "unknown, send again".
      await eventually('an append', () =>
        log.append('telemetry', [record(mine)]).then(
          () => true,
          error => {
            assert.equal(error.code, 'LOG_UNAVAILABLE');
            return false;
          },
        ),
      );
    }
  });
  await eventually('appends before', () => number > 20);
  const bridge = await openLog(t, { dataDir });
  const before = number;
  await eventually('appends after', () => number > before + 20);
  stop.abort();
  await Promise.all(appending);
  await bridge.append('telemetry', [record('bridge')]);
  await assert.rejects(openLog(t, { dataDir }), { code: 'LOG_OWNED' });
  const seen = await everything(first);
  assert.deepEqual(seen, await everything(bridge));
  const missing = Array.from({ length: number }, (_, index) => String(index)).filter(entry => !seen.includes(entry));
  assert.deepEqual(missing, []);
});

it('L6: when the owner is killed while others append, one of them takes over and nothing acknowledged is lost', async t => {
  const dataDir = await temporaryFolder(t);
  const owner = await startAppender(t, dataDir, 'bridge', 5);
  const others = await Promise.all([openLog(t, { dataDir, role: 'other' }), openLog(t, { dataDir, role: 'other' })]);
  const stop = new AbortController();
  const acknowledged: string[] = [];
  let unknown = 0;
  const appending = others.map(async (log, name) => {
    for (let number = 0; !stop.signal.aborted; number++) {
      const mine = `${name}:${number}`;
      await eventually('an append', () =>
        log.append('telemetry', [record(mine)]).then(
          () => acknowledged.push(mine),
          error => {
            assert.equal(error.code, 'LOG_UNAVAILABLE');
            unknown++;
            return false;
          },
        ),
      );
    }
  });
  const reading = (async () => {
    const seen: string[] = [];
    for await (const { records } of others[1]!.read('telemetry', { group: 'g', signal: stop.signal })) {
      seen.push(...records.map(text));
    }
    return seen;
  })();
  await eventually('appends of all three', () => owner.acknowledged() > 50 && acknowledged.length > 50);
  await owner.kill();
  const before = acknowledged.length;
  await eventually('appends after the kill', () => acknowledged.length > before + 50);
  stop.abort();
  await Promise.all(appending);
  const seen = new Set(await everything(others[0]!));
  assert.deepEqual(
    acknowledged.filter(entry => !seen.has(entry)),
    [],
  );
  for (let number = 1; number <= owner.acknowledged(); number++)
    assert.ok(seen.has(String(number)), `owner's ${number}`);
  assert.ok(unknown <= 4, `${unknown} appends were unknown`);
  assert.ok((await reading).length > before);
  const bridge = await openLog(t, { dataDir });
  assert.equal((await bridge.ends('telemetry'))[0]!.end, (await others[0]!.ends('telemetry'))[0]!.end);
});

it('L6: the socket lies in a folder of this user only, its path short enough for every system', async t => {
  assert.ok(Buffer.byteLength(ownerSocketPath(`/${'long/'.repeat(200)}`)) <= 107);
  assert.notEqual(ownerSocketPath('/a'), ownerSocketPath('/b'));
  const folder = join(await temporaryFolder(t), 'open');
  await mkdir(folder);
  await chmod(folder, 0o755);
  await assert.rejects(securePath(join(folder, 'x.sock')), { code: 'LOG_UNAVAILABLE', message: /0700/ });
});

it('a kafka:// URL says that this version has only the embedded log', async t => {
  await assert.rejects(openLog(t, { config: { LOG_URL: 'kafka://localhost:9092' } }), { code: 'LOG_NO_ADAPTER' });
});

it('L6: an owner closes while others go on appending, and loses nothing of theirs', async t => {
  const dataDir = await temporaryFolder(t);
  const owner = await openLog(t, { dataDir, role: 'other' });
  const appender = await startAppender(t, dataDir, 'other', 3);
  await eventually('appends through the owner', () => appender.acknowledged() > 30);
  await owner.close();
  const before = appender.acknowledged();
  await eventually('appends by the new owner', () => appender.acknowledged() > before + 30);
  await appender.kill();
  const again = await openLog(t, { dataDir });
  const seen = new Set(await everything(again));
  for (let number = 1; number <= appender.acknowledged(); number++) assert.ok(seen.has(String(number)), `${number}`);
});
