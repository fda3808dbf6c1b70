import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import type { EventLog } from '../event-log.ts';
import type { WriteCalls } from '../segment-files.ts';
import { collect, eventually, openLog, record, records, temporaryFolder, texts } from './temporary-log.ts';

const signal = () => AbortSignal.timeout(10_000);

async function numbers(log: EventLog): Promise<string[]> {
  const { earliest, end } = (await log.ends('telemetry'))[0]!;
  return texts(await collect(log.fetch('telemetry', 0, earliest, { signal: signal(), until: end })));
}

/** The real calls, of which the next `write` or `fdatasync` goes wrong as told. */
function brokenCalls() {
  const broken = {
    nextWrite: undefined as 'ENOSPC' | 'half' | undefined,
    nextSync: undefined as 'EIO' | undefined,
    nextFolderSync: undefined as 'EIO' | undefined,
    syncs: [] as number[],
    folderSyncs: [] as number[],
    /** While set, fdatasync and fsync wait for it. */
    gate: undefined as Promise<void> | undefined,
  };
  const failure = (code: string) => Object.assign(new Error(`${code}: made by the test`), { code });
  const write = (fd: number, bytes: Buffer, offset: number, length: number, position: number, done: Written) => {
    const mode = broken.nextWrite;
    broken.nextWrite = mode === 'half' ? 'ENOSPC' : undefined;
    if (mode === 'ENOSPC') process.nextTick(done, failure('ENOSPC'), 0);
    else fs.write(fd, bytes, offset, mode === 'half' ? Math.ceil(length / 2) : length, position, done);
  };
  const fdatasync = async (fd: number, done: (error: Error | null) => void) => {
    const mode = broken.nextSync;
    broken.nextSync = undefined;
    broken.syncs.push(fs.fstatSync(fd).ino);
    await broken.gate;
    if (mode !== undefined) process.nextTick(done, failure(mode));
    else fs.fdatasync(fd, done);
  };
  const fsync = async (fd: number, done: (error: Error | null) => void) => {
    const mode = broken.nextFolderSync;
    broken.nextFolderSync = undefined;
    broken.folderSyncs.push(fs.fstatSync(fd).ino);
    await broken.gate;
    if (mode !== undefined) process.nextTick(done, failure(mode));
    else fs.fsync(fd, done);
  };
  return { broken, calls: { write, fdatasync, fsync } as unknown as WriteCalls };
}

async function folderBytes(folder: string): Promise<number> {
  const sizes = await Promise.all((await readdir(folder)).map(async name => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

type Written = (error: Error | null, written: number) => void;

for (const [what, breakIt] of [
  ['fdatasync', (broken: ReturnType<typeof brokenCalls>['broken']) => (broken.nextSync = 'EIO')],
  ['write', (broken: ReturnType<typeof brokenCalls>['broken']) => (broken.nextWrite = 'ENOSPC')],
  ['second half of a write', (broken: ReturnType<typeof brokenCalls>['broken']) => (broken.nextWrite = 'half')],
] as const) {
  it(`L4: after a failed ${what} the append is unknown, the segment sealed, and the next append works`, async t => {
    const dataDir = await temporaryFolder(t);
    const { broken, calls } = brokenCalls();
    const log = await openLog(t, { dataDir, writeCalls: calls });
    await log.append('telemetry', records(1, 3));
    const sealed = broken.syncs.at(-1)!;
    const sealedBytes = log.stats().bytes;
    const reading = collect(log.fetch('telemetry', 0, 0n, { signal: signal(), until: 6n }));

    breakIt(broken);
    await assert.rejects(log.append('telemetry', [record('lost')]), { code: 'LOG_UNAVAILABLE', retryable: true });
    const health = log.health();
    assert.equal(health.ok, false);
    assert.match(health.problem!, /made by the test/);
    const syncsBefore = broken.syncs.length;

    await log.append('telemetry', records(4, 6));
    assert.equal(log.health().ok, true);
    assert.ok(!broken.syncs.slice(syncsBefore).includes(sealed), 'the sealed segment is never synced again');
    assert.deepEqual(await readdir(join(dataDir, 'log/telemetry/0')), [
      '00000000000000000000.seg',
      '00000000000000000003.seg',
    ]);
    const { size } = await stat(join(dataDir, 'log/telemetry/0/00000000000000000000.seg'));
    assert.equal(size, sealedBytes, 'the sealed segment ends at its last durable end');
    assert.deepEqual(texts(await reading), ['1', '2', '3', '4', '5', '6']);
    await log.close();
    const again = await openLog(t, { dataDir });
    assert.deepEqual(await numbers(again), ['1', '2', '3', '4', '5', '6']);
  });
}

it('L4: a first segment whose first write failed is replaced', async t => {
  const dataDir = await temporaryFolder(t);
  const { broken, calls } = brokenCalls();
  const log = await openLog(t, { dataDir, writeCalls: calls });
  for (let attempt = 0; attempt < 3; attempt++) {
    broken.nextSync = 'EIO';
    await assert.rejects(log.append('telemetry', [record('lost')]), { code: 'LOG_UNAVAILABLE' });
  }
  await log.append('telemetry', [record('stored')]);
  assert.deepEqual(await numbers(log), ['stored']);
  assert.deepEqual(await readdir(join(dataDir, 'log/telemetry/0')), ['00000000000000000000.seg']);
});

it('L4: a new segment is durable in its folder before its first record is written', async t => {
  const dataDir = await temporaryFolder(t);
  const { broken, calls } = brokenCalls();
  const log = await openLog(t, { dataDir, writeCalls: calls });
  const gate = Promise.withResolvers<void>();
  broken.gate = gate.promise;
  const appending = log.append('telemetry', [record('first')]);
  await eventually('a sync of the folder', () => broken.folderSyncs.length > 0);
  assert.deepEqual(broken.folderSyncs, [fs.statSync(join(dataDir, 'log/telemetry/0')).ino]);
  assert.deepEqual(broken.syncs, []);
  assert.equal((await log.ends('telemetry'))[0]!.end, 0n);
  gate.resolve();
  await appending;
  await log.append('telemetry', [record('second')]);
  assert.equal(broken.folderSyncs.length, 1);
});

it('L4: a segment whose name could not be made durable stays empty, and the next append begins it anew', async t => {
  const dataDir = await temporaryFolder(t);
  const folder = join(dataDir, 'log/telemetry/0');
  const { broken, calls } = brokenCalls();
  const log = await openLog(t, { dataDir, writeCalls: calls, config: { LOG_SEGMENT_BYTES: 64 * 1024 } });
  const block = Array.from({ length: 70 }, () => ({ ...record(''), payload: Buffer.alloc(1000, 1) }));
  await log.append('telemetry', block);
  for (const last of [false, true]) {
    const { bytes } = log.stats();
    broken.nextFolderSync = 'EIO';
    await assert.rejects(log.append('telemetry', [record('lost')]), { code: 'LOG_UNAVAILABLE' });
    if (last) await log.close();
    assert.equal(await folderBytes(folder), bytes);
    if (!last) await log.append('telemetry', block);
  }
  const again = await openLog(t, { dataDir });
  assert.equal((await numbers(again)).length, 140);
});

it('a failure on one stream leaves the others alone (L5: each has its own file)', async t => {
  const { broken, calls } = brokenCalls();
  const log = await openLog(t, { writeCalls: calls });
  broken.nextSync = 'EIO';
  const [failed, stored] = await Promise.allSettled([
    log.append('telemetry', [record('a')]),
    log.append('violation', [record('b')]),
  ]);
  assert.equal(failed.status === 'rejected' || stored.status === 'rejected', true);
  assert.equal(failed.status === 'fulfilled' || stored.status === 'fulfilled', true);
});

it('L3: a reader sees nothing before its fdatasync has finished', async t => {
  const dataDir = await temporaryFolder(t);
  const { broken, calls } = brokenCalls();
  const log = await openLog(t, { dataDir, writeCalls: calls });
  const other = await openLog(t, { dataDir, role: 'other' });
  await log.append('telemetry', [record('durable')]);
  const gate = Promise.withResolvers<void>();
  broken.gate = gate.promise;
  const syncsBefore = broken.syncs.length;
  const appending = log.append('telemetry', [record('written')]);
  await eventually('the write is done', () => broken.syncs.length > syncsBefore);
  for (const reader of [log, other]) {
    assert.equal((await reader.ends('telemetry'))[0]!.end, 1n);
    assert.deepEqual(await numbers(reader), ['durable']);
  }
  const reading = collect(other.fetch('telemetry', 0, 0n, { signal: signal(), until: 2n }));
  gate.resolve();
  await appending;
  assert.deepEqual(texts(await reading), ['durable', 'written']);
});

it('one fdatasync serves every append that waits', async t => {
  const { broken, calls } = brokenCalls();
  const log = await openLog(t, { writeCalls: calls });
  await log.append('telemetry', [record('x')]);
  const before = broken.syncs.length;
  await Promise.all(Array.from({ length: 200 }, (_, call) => log.append('telemetry', [record(String(call))])));
  assert.equal(broken.syncs.length - before, 1);
});

it('begins a new segment at LOG_SEGMENT_BYTES, and reads over the border', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir, config: { LOG_SEGMENT_BYTES: 64 * 1024 } });
  const block = Array.from({ length: 50 }, (_, index) => ({ ...record(''), payload: Buffer.alloc(1000, index) }));
  for (let call = 0; call < 10; call++) await log.append('telemetry', block);
  const names = await readdir(join(dataDir, 'log/telemetry/0'));
  assert.ok(names.length >= 5, names.join());
  assert.equal((await numbers(log)).length, 500);
  const { bytes } = log.stats();
  await log.close();
  assert.equal(await folderBytes(join(dataDir, 'log/telemetry/0')), bytes);
  const again = await openLog(t, { dataDir });
  assert.equal(again.stats().bytes, bytes);
  assert.equal((await numbers(again)).length, 500);
});

it('small appends go over zeros and leave the length of the file alone', async t => {
  const dataDir = await temporaryFolder(t);
  const path = join(dataDir, 'log/telemetry/0/00000000000000000000.seg');
  const log = await openLog(t, { dataDir });
  await log.append('telemetry', records(1, 1));
  const { size } = await stat(path);
  for (let next = 2; next <= 50; next++) await log.append('telemetry', records(next, next));
  assert.ok(log.stats().bytes < size);
  assert.equal((await stat(path)).size, size);
});

it('writes no zeros beyond LOG_SEGMENT_BYTES, and leaves none in a segment that is finished', async t => {
  const dataDir = await temporaryFolder(t);
  const folder = join(dataDir, 'log/telemetry/0');
  const log = await openLog(t, { dataDir, config: { LOG_SEGMENT_BYTES: 64 * 1024 } });
  const sizes: number[] = [];
  const small = { ...record(''), payload: Buffer.alloc(1000, 1) };
  for (let call = 0; call < 100; call++) {
    await log.append('telemetry', [small]);
    if ((await readdir(folder)).length === 1) sizes.push(await folderBytes(folder));
  }
  assert.ok(sizes.length > 50);
  // The last one went past the limit, over the end of the zeros.
  assert.deepEqual(new Set(sizes.slice(0, -1)), new Set([64 * 1024]));
  const segments = await readdir(folder);
  assert.equal(segments.length, 2);
  const sealed = await stat(join(folder, segments[0]!));
  assert.equal(sealed.size, sizes.at(-1));
  const { bytes } = log.stats();
  assert.equal(await folderBytes(folder), sealed.size + 64 * 1024);
  await log.append('telemetry', [{ ...small, payload: Buffer.alloc(40_000, 1) }]); // over the zeros' border, at once
  assert.equal((await numbers(log)).length, 101);
  const end = log.stats().bytes;
  assert.ok(end > bytes + 40_000);
  await log.close();
  assert.equal(await folderBytes(folder), end);
});

it('L2: log time stands still while the clock is behind it, also over a restart, and a forward step is on /health', async t => {
  const dataDir = await temporaryFolder(t);
  let nowMs = 1_800_000_000_000;
  let monotonicMs = 0;
  const clock = { now: () => nowMs, monotonicMs: () => monotonicMs };
  const log = await openLog(t, { dataDir, ...clock });
  const pass = (wallMs: number, realMs: number) => {
    nowMs += wallMs;
    monotonicMs += realMs;
  };
  await log.append('telemetry', [record('a')]);
  pass(-60_000, 1000);
  await log.append('telemetry', [record('b')]);
  assert.equal(log.health().detail!.clockBehindMs, 60_000);
  assert.equal(log.health().detail!.clockStep, undefined);
  await log.close();
  const again = await openLog(t, { dataDir, ...clock });
  await again.append('telemetry', [record('c')]);
  pass(3_600_000, 3_600_000); // an idle hour is no step
  await again.append('telemetry', [record('d')]);
  assert.equal(again.health().detail!.clockStep, undefined);
  pass(7000, 1000);
  await again.append('telemetry', [record('e')]);
  assert.deepEqual(again.health().detail!.clockStep, { aheadMs: 6000, atMs: nowMs });
  assert.equal(again.health().ok, true);
  const times = (await collect(again.fetch('telemetry', 0, 0n, { signal: signal(), until: 5n }))).map(
    ({ timeMs }) => timeMs - 1_800_000_000_000,
  );
  assert.deepEqual(times, [0, 0, 0, 3_540_000, 3_547_000]);
});
