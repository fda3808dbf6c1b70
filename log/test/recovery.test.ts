import assert from 'node:assert/strict';
import { copyFile, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import type { EventLog } from '../event-log.ts';
import type { EmbeddedEventLog } from '../event-log-embedded.ts';
import { batchHeadBytes } from '../segment-codec.ts';
import { segmentPath } from '../segment-files.ts';
import { recoverPartition } from '../segment-recovery.ts';
import {
  collect,
  eventually,
  openLog,
  record,
  records,
  startAppender,
  temporaryFolder,
  texts,
} from './temporary-log.ts';

const folderOf = (dataDir: string) => join(dataDir, 'log', 'telemetry', '0');
const firstSegment = (dataDir: string) => segmentPath(folderOf(dataDir), 0);
const signal = () => AbortSignal.timeout(10_000);

async function numbers(log: EventLog, from = 0n): Promise<string[]> {
  const { end } = (await log.ends('telemetry'))[0]!;
  return texts(await collect(log.fetch('telemetry', 0, from, { signal: signal(), until: end })));
}

/** Bytes of the records of `telemetry`; its file may be longer. */
const bytesOf = (log: EmbeddedEventLog) => log.stats().partitions.find(({ stream }) => stream === 'telemetry')!.bytes;

const count = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => String(first + i));

it('has every acknowledged record after kill -9 in the middle of appends, in order', async t => {
  const dataDir = await temporaryFolder(t);
  for (const perCall of [1, 2000]) {
    const log = await openLog(t, { dataDir });
    const { end } = (await log.ends('telemetry'))[0]!;
    await log.close();
    const appender = await startAppender(t, dataDir, 'bridge', perCall);
    await eventually('some appends', () => appender.acknowledged() > perCall * 5);
    await appender.kill();
    const again = await openLog(t, { dataDir });
    const found = await numbers(again, end);
    assert.ok(found.length >= appender.acknowledged(), `${found.length} of ${appender.acknowledged()}`);
    assert.deepEqual(found, count(1, found.length));
    await again.append('telemetry', [record('after')]);
    assert.equal((await numbers(again)).at(-1), 'after');
    const bytes = bytesOf(again);
    await again.close();
    assert.equal((await stat(firstSegment(dataDir))).size, bytes);
  }
});

it('cuts a torn tail wherever it was torn, and goes on there', async t => {
  const dataDir = await temporaryFolder(t);
  const first = await openLog(t, { dataDir });
  await first.append('telemetry', records(1, 3));
  await first.close();
  const whole = (await stat(firstSegment(dataDir))).size;
  const second = await openLog(t, { dataDir });
  await second.append('telemetry', records(4, 5));
  await second.close();
  const bytes = await readFile(firstSegment(dataDir));
  for (const cut of [whole + 1, whole + batchHeadBytes - 1, whole + batchHeadBytes + 5, bytes.length - 1]) {
    await writeFile(firstSegment(dataDir), bytes.subarray(0, cut));
    const log = await openLog(t, { dataDir });
    assert.equal((await stat(firstSegment(dataDir))).size, whole);
    assert.deepEqual(await numbers(log), count(1, 3));
    await log.append('telemetry', [record('new')]);
    assert.deepEqual(await numbers(log), [...count(1, 3), 'new']);
    await log.close();
  }
});

it('cuts the whole of a torn write, also where its later pages reached the disk before its first', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  await log.append('telemetry', records(1, 3));
  const whole = bytesOf(log);
  const large = Array.from({ length: 4 }, () => ({ ...record(''), payload: Buffer.alloc(200_000) }));
  await log.append('telemetry', large);
  await log.close();
  await damage(firstSegment(dataDir), whole + 100);
  const again = await openLog(t, { dataDir });
  assert.deepEqual(await numbers(again), count(1, 3));
  assert.equal((await stat(firstSegment(dataDir))).size, whole);
});

it('takes the zeros written ahead neither for records nor for a torn write, however much of the last block was flushed', async t => {
  const dataDir = await temporaryFolder(t);
  const crashed = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  await log.append('telemetry', records(1, 3));
  const whole = bytesOf(log);
  await log.append('telemetry', [{ ...record(''), payload: Buffer.alloc(20_000, 1) }, ...records(5, 5)]);
  const end = bytesOf(log);
  const salt = Number.parseInt(await readFile(join(dataDir, 'log', 'salt'), 'utf8'), 16);
  const image = await readFile(firstSegment(dataDir));
  assert.ok(image.length > end + 100_000, `a file of ${image.length} bytes, ${end} of them records`);

  // [from, to): what of the last block is on the disk; zeros elsewhere, as they were before it.
  for (const [from, to, records] of [
    [whole, end, 5],
    [whole, whole, 3],
    [whole, whole + 1, 3],
    [whole, whole + 10_000, 3],
    [whole + 4096, end, 3],
    [end - 1, end, 3],
  ] as const) {
    const torn = Buffer.from(image).fill(0, whole, from).fill(0, to);
    await writeFile(segmentPath(crashed, 0), torn);
    const { end: offset, cutBytes, damaged, segments } = await recoverPartition(crashed, salt);
    const bytes = records === 5 ? end : whole;
    assert.deepEqual(
      { offset, cutBytes, damaged, bytes: segments[0]!.bytes },
      { offset: records, cutBytes: from === to ? 0 : to - bytes, damaged: false, bytes },
      `${from} to ${to}`,
    );
    assert.equal((await stat(segmentPath(crashed, 0))).size, bytes);
  }

  // Nothing was ever flushed but the zeros: an empty segment, not a damaged one.
  await writeFile(segmentPath(crashed, 0), Buffer.alloc(image.length));
  const { cutBytes, damaged, segments } = await recoverPartition(crashed, salt);
  assert.deepEqual(
    { cutBytes, damaged, segments },
    { cutBytes: 0, damaged: false, segments: [{ base: 0, bytes: 0, firstTimeMs: undefined }] },
  );
});

it('names damage in front of durable records also where zeros lie behind them', async t => {
  const dataDir = await temporaryFolder(t);
  const crashed = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  for (let first = 1; first <= 30; first += 10) await log.append('telemetry', records(first, first + 9));
  const salt = Number.parseInt(await readFile(join(dataDir, 'log', 'salt'), 'utf8'), 16);
  await copyFile(firstSegment(dataDir), segmentPath(crashed, 0));
  await damage(segmentPath(crashed, 0), Math.floor(bytesOf(log) / 2));
  const { end, cutBytes, damaged } = await recoverPartition(crashed, salt);
  assert.deepEqual({ end, cutBytes, damaged }, { end: 30, cutBytes: 0, damaged: true });
  assert.equal((await stat(segmentPath(crashed, 0))).size, bytesOf(log));
});

it('L1: keeps damage in front of durable records, names it as LOG_GAP and never skips it', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  for (let first = 1; first <= 30; first += 10) await log.append('telemetry', records(first, first + 9));
  const size = bytesOf(log);
  await log.close();
  await damage(firstSegment(dataDir), Math.floor(size / 2));

  const again = await openLog(t, { dataDir });
  assert.equal((await again.ends('telemetry'))[0]!.end, 30n);
  const seen: string[] = [];
  const reading = async () => {
    for await (const { records } of again.read('telemetry', { group: 'g', signal: signal() })) {
      seen.push(...texts(records));
    }
  };
  await assert.rejects(reading(), {
    code: 'LOG_GAP',
    detail: { stream: 'telemetry', partition: 0, from: 10n, to: 20n },
  });
  assert.deepEqual(seen, count(1, 10));
  await assert.rejects(collect(again.fetch('telemetry', 0, 15n, { signal: signal() })), { code: 'LOG_GAP' });
  assert.deepEqual(await numbers(again, 20n), count(21, 30));
  assert.equal(bytesOf(again), size);
  await again.append('telemetry', [record('after')]);
  assert.deepEqual(await numbers(again, 29n), ['30', 'after']);
});

it('L1: names a segment that is missing', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir, config: { LOG_SEGMENT_BYTES: 64 * 1024 } });
  const block = Array.from({ length: 100 }, () => ({ ...record(''), payload: Buffer.alloc(1000) }));
  for (let call = 0; call < 4; call++) await log.append('telemetry', block);
  assert.equal((await readdir(folderOf(dataDir))).length, 4);
  await rm(segmentPath(folderOf(dataDir), 200));
  await assert.rejects(collect(log.fetch('telemetry', 0, 0n, { signal: signal(), until: 400n })), {
    code: 'LOG_GAP',
    detail: { stream: 'telemetry', partition: 0, from: 200n, to: 300n },
  });
});

it('a record whose bytes look like a batch is not taken for one when a damaged segment is searched', async t => {
  const dataDir = await temporaryFolder(t);
  const other = await temporaryFolder(t);
  const forger = await openLog(t, { dataDir: other });
  await forger.append('telemetry', records(1, 50));
  await forger.append('telemetry', records(51, 60));
  await forger.close();
  const forged = await readFile(firstSegment(other));

  const log = await openLog(t, { dataDir });
  await log.append('telemetry', records(1, 3));
  const whole = bytesOf(log);
  await log.append('telemetry', [{ ...record(''), payload: Buffer.concat([forged, Buffer.alloc(100)]) }]);
  await log.close();
  await truncate(firstSegment(dataDir), whole + batchHeadBytes + forged.length + 50);
  const again = await openLog(t, { dataDir });
  assert.equal((await again.ends('telemetry'))[0]!.end, 3n);
});

it('keeps its id over restarts, and partition counts are those of the first start (L8)', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir, partitions: { telemetry: 3 } });
  const { logId } = (await log.ends('telemetry'))[0]!;
  assert.match(logId, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert.equal((await readFile(join(dataDir, 'log', 'id'), 'utf8')).trim(), logId);
  await log.close();
  await assert.rejects(openLog(t, { dataDir, partitions: { telemetry: 2 } }), { code: 'LOG_PARTITIONS' });
  const again = await openLog(t, { dataDir });
  const ends = await again.ends('telemetry');
  assert.equal(ends.length, 3);
  assert.equal(ends[0]!.logId, logId);
});

async function damage(path: string, at: number): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0]! ^= 0xff;
  await handle.write(byte, 0, 1, at);
  await handle.close();
}

for (const [what, file, harm] of [
  ['its salt is missing', 'salt', (path: string) => rm(path)],
  ['its salt is damaged', 'salt', (path: string) => writeFile(path, '')],
  ['its id is damaged', 'id', (path: string) => writeFile(path, '')],
] as const) {
  it(`is refused, and loses nothing, while ${what}`, async t => {
    const dataDir = await temporaryFolder(t);
    const log = await openLog(t, { dataDir });
    await log.append('telemetry', records(1, 10));
    await log.close();
    const path = join(dataDir, 'log', file);
    const text = await readFile(path);
    await harm(path);
    await assert.rejects(openLog(t, { dataDir }), { code: 'LOG_IDENTITY', message: new RegExp(`${file} is missing`) });
    await writeFile(path, text);
    const again = await openLog(t, { dataDir });
    assert.equal((await numbers(again)).length, 10);
  });
}
