import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import type { StoredRecord } from '../event-log.ts';
import { checkPosition, type Position, positionAfter } from '../position.ts';
import { collect, openLog, record, records, temporaryFolder } from './temporary-log.ts';

const signal = () => AbortSignal.timeout(10_000);

it('L1: a position is checked against the log id and the record before it', async t => {
  const dataDir = await temporaryFolder(t);
  const log = await openLog(t, { dataDir });
  await log.append('telemetry', records(1, 5));
  const { logId } = (await log.ends('telemetry'))[0]!;
  const all: StoredRecord[] = await collect(log.fetch('telemetry', 0, 0n, { signal: signal(), until: 5n }));
  const check = (position: Position) => checkPosition(log, 'telemetry', 0, position, signal());

  for (const entry of all) assert.deepEqual(await check(positionAfter(logId, entry)), { kind: 'ok' });
  assert.deepEqual(await check({ logId, offset: 0n, crc: undefined }), { kind: 'ok' });
  const last = positionAfter(logId, all[4]!);
  assert.deepEqual(await check({ ...last, logId: 'another' }), { kind: 'new-log', logId });
  assert.deepEqual(await check({ ...last, offset: 9n }), { kind: 'gap', from: 5n, to: 9n, reason: 'past-end' });
  assert.deepEqual(await check({ ...last, offset: 4n }), { kind: 'gap', from: 3n, to: 4n, reason: 'differs' });
});

it('L1: offsets that were used again after a power cut are found out', async t => {
  const dataDir = await temporaryFolder(t);
  const path = join(dataDir, 'log/telemetry/0/00000000000000000000.seg');
  const log = await openLog(t, { dataDir });
  await log.append('telemetry', [record('a')]);
  const { logId } = (await log.ends('telemetry'))[0]!;
  await log.close();
  const before = await readFile(path);
  const second = await openLog(t, { dataDir });
  await second.append('telemetry', [record('taken back')]);
  const [taken] = await collect(second.fetch('telemetry', 0, 1n, { signal: signal(), until: 2n }));
  await second.close();
  await writeFile(path, before);
  const third = await openLog(t, { dataDir });
  await third.append('telemetry', [record('another')]);
  assert.deepEqual(await checkPosition(third, 'telemetry', 0, positionAfter(logId, taken!), signal()), {
    kind: 'gap',
    from: 1n,
    to: 2n,
    reason: 'differs',
  });
});

it('L1: what retention removed is told apart from what is missing', async t => {
  const dataDir = await temporaryFolder(t);
  const config = { LOG_SEGMENT_BYTES: 64 * 1024 };
  const log = await openLog(t, { dataDir, config });
  const block = Array.from({ length: 70 }, () => ({ ...record(''), payload: Buffer.alloc(1000) }));
  for (let call = 0; call < 3; call++) await log.append('telemetry', block);
  const { logId } = (await log.ends('telemetry'))[0]!;
  await log.close();
  await rm(join(dataDir, 'log/telemetry/0/00000000000000000000.seg'));
  const again = await openLog(t, { dataDir, config });
  const check = (offset: bigint) => checkPosition(again, 'telemetry', 0, { logId, offset, crc: 1 }, signal());
  for (const offset of [0n, 30n, 70n]) assert.deepEqual(await check(offset), { kind: 'retained-away', earliest: 70n });
  assert.deepEqual(await check(71n), { kind: 'gap', from: 70n, to: 71n, reason: 'differs' });
  await again.close();

  await rm(join(dataDir, 'log/id'));
  const restored = await openLog(t, { dataDir, config });
  const result = await checkPosition(restored, 'telemetry', 0, { logId, offset: 71n, crc: 1 }, signal());
  assert.equal(result.kind, 'new-log');
  assert.equal((await collect(restored.fetch('telemetry', 0, 70n, { signal: signal(), until: 210n }))).length, 140);
});
