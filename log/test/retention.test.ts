import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EventLog, LogRecord } from '../event-log.ts';
import { markRecord } from '../record.ts';
import { holdersOf, planRetention, reasonOfFullness } from '../retention.ts';
import type { Segment } from '../segment-recovery.ts';
import { collect, eventually, openLog, record, temporaryFolder } from './temporary-log.ts';

const signal = () => AbortSignal.timeout(10_000);
const block: LogRecord[] = Array.from({ length: 70 }, () => ({ ...record(''), payload: Buffer.alloc(1000) }));

async function commitAll(log: EventLog, group: string, stream = 'telemetry'): Promise<void> {
  const { end } = (await log.ends(stream))[0]!;
  for await (const batch of log.read(stream, { group, signal: signal() })) {
    await batch.commit();
    if (batch.nextOffset === end) break;
  }
}

async function fill(log: EventLog, stream: string, calls: number): Promise<void> {
  for (let call = 0; call < calls; call++) await log.append(stream, block);
}

describe('retention (L7)', () => {
  const config = { LOG_SEGMENT_BYTES: 64 * 1024, LOG_MAX_BYTES: 1024 * 1024, LOG_RETAIN_BYTES: 0 };

  it('stops intake at LOG_MAX_BYTES, names group and bytes, and goes on by itself once the archive has read on', async t => {
    const log = await openLog(t, { config });
    const fillUp = async () => {
      for (;;) await log.append('telemetry', block);
    };
    await assert.rejects(fillUp(), { code: 'LOG_FULL', retryable: true });
    const health = log.health();
    assert.equal(health.ok, false);
    assert.match(health.problem!, /LOG_MAX_BYTES/);
    assert.equal(health.detail!.group, 'archive');
    assert.equal(health.detail!.heldBytes, health.detail!.bytes);
    assert.ok(Number(health.detail!.bytes) >= config.LOG_MAX_BYTES);
    const { end } = (await log.ends('telemetry'))[0]!;
    await assert.rejects(log.append('violation', [record('x')]), { code: 'LOG_FULL' });

    await commitAll(log, 'archive');
    await eventually('room', () =>
      log.append('telemetry', [record('x')]).then(
        () => true,
        () => false,
      ),
    );
    assert.equal(log.health().ok, true);
    const after = (await log.ends('telemetry'))[0]!;
    assert.equal(after.end, end + 1n);
    assert.ok(after.earliest > 0n);
    await assert.rejects(collect(log.fetch('telemetry', 0, 0n, { signal: signal() })), {
      code: 'LOG_GAP',
      detail: { stream: 'telemetry', partition: 0, from: 0n, to: after.earliest },
    });
  });

  it('never stops intake for what the archive has read, also where LOG_RETAIN_BYTES is left above LOG_MAX_BYTES', async t => {
    const { LOG_RETAIN_BYTES: _, ...retainByDefault } = config;
    const log = await openLog(t, { config: retainByDefault });
    for (let call = 0; call < 40; call++) {
      await log.append('telemetry', block);
      await commitAll(log, 'archive');
    }
    assert.equal(log.health().ok, true);
    assert.ok(log.stats().bytes < config.LOG_MAX_BYTES);
  });

  it('takes marks of the archive when it is full, and no other record, so that an open run can end', async t => {
    const dataDir = await temporaryFolder(t);
    const log = await openLog(t, { dataDir, config });
    const other = await openLog(t, { dataDir, config, role: 'other' });
    await assert.rejects(fill(log, 'telemetry', 100), { code: 'LOG_FULL' });
    const before = (await log.ends('telemetry'))[0]!.end;
    for (const through of [log, other]) {
      const [first, mark, last] = await Promise.allSettled([
        through.append('telemetry', [record('x')]),
        through.append('telemetry', [markRecord('archive')], 0),
        through.append('telemetry', [markRecord('bridge')], 0), // how the bridge asks whether there is room
      ]);
      assert.deepEqual([first!.status, mark!.status, last!.status], ['rejected', 'fulfilled', 'rejected']);
    }
    const { end } = (await log.ends('telemetry'))[0]!;
    assert.equal(end, before + 2n);
    const added = await collect(log.fetch('telemetry', 0, before, { signal: signal(), until: end }));
    assert.deepEqual(
      added.map(({ headers }) => headers.mark),
      ['archive', 'archive'],
    );
  });

  it('blames no group when only what stays is left, and says so', async t => {
    const log = await openLog(t, { config });
    await assert.rejects(fill(log, 'account', 100), { code: 'LOG_FULL' });
    const { problem, detail } = log.health();
    assert.match(problem!, /no group holds it back/);
    assert.equal(detail!.group, undefined);
    const segments = [0, 10].map(base => ({ base, bytes: 5, firstTimeMs: 1 }));
    const at = (offset: number) => {
      const holders = [{ group: 'archive', offset }];
      return reasonOfFullness([{ stream: 's', partition: 0, segments, bytes: 10, end: 20, holders }]).heldBytes;
    };
    assert.deepEqual([0, 9, 10, 20].map(at), [10, 10, undefined, undefined]);
  });

  it('never removes what the archive has not committed, whatever other groups have read', async t => {
    const dataDir = await temporaryFolder(t);
    const log = await openLog(t, { dataDir, config: { ...config, LOG_RETAIN_HOURS: 0 } });
    await fill(log, 'telemetry', 5);
    await commitAll(log, 'console');
    await log.close();
    const again = await openLog(t, {
      dataDir,
      config: { ...config, LOG_RETAIN_HOURS: 0 },
      now: () => Date.now() + 1e9,
    });
    assert.equal((await again.ends('telemetry'))[0]!.earliest, 0n);
    await commitAll(again, 'archive');
    await again.close();
    const third = await openLog(t, {
      dataDir,
      config: { ...config, LOG_RETAIN_HOURS: 0 },
      now: () => Date.now() + 1e9,
    });
    assert.equal((await third.ends('telemetry'))[0]!.earliest, 280n);
    assert.equal((await third.ends('telemetry'))[0]!.end, 350n);
  });

  it('never removes anything of streams that are not archived', async t => {
    const dataDir = await temporaryFolder(t);
    const log = await openLog(t, { dataDir, config: { ...config, LOG_RETAIN_HOURS: 0 } });
    await fill(log, 'account', 5);
    await commitAll(log, 'archive', 'account');
    await log.close();
    const again = await openLog(t, {
      dataDir,
      config: { ...config, LOG_RETAIN_HOURS: 0 },
      now: () => Date.now() + 1e9,
    });
    assert.equal((await again.ends('account'))[0]!.earliest, 0n);
  });

  it('waits for the cases stage on `violation` from its first commit on', () => {
    const archive = { group: 'archive', partition: 0, offset: 9n };
    const cases = { group: 'cases', partition: 0, offset: 4n };
    const at = (stream: string, partition = 0) => ({ stream, partition });
    assert.deepEqual(holdersOf(at('violation'), true, [archive]), [{ group: 'archive', offset: 9 }]);
    assert.deepEqual(holdersOf(at('violation'), true, [archive, cases]), [
      { group: 'archive', offset: 9 },
      { group: 'cases', offset: 4 },
    ]);
    assert.deepEqual(holdersOf(at('violation', 1), true, [archive, cases]), [
      { group: 'archive', offset: 0 },
      { group: 'cases', offset: 0 },
    ]);
    assert.deepEqual(holdersOf(at('telemetry'), true, [archive, cases]), [{ group: 'archive', offset: 9 }]);
    assert.equal(holdersOf(at('account'), false, [archive]), undefined);
  });

  it('plans so that only read segments leave, oldest first, and not more than needed', () => {
    const partition = fc
      .tuple(
        fc.array(fc.record({ count: fc.integer({ min: 1, max: 9 }), bytes: fc.integer({ min: 1, max: 100 }) }), {
          maxLength: 6,
        }),
        fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
        fc.boolean(),
        fc.integer({ min: 0, max: 50 }),
      )
      .map(([list, held, emptyTail, startMs]) => {
        let base = 0;
        const segments: Segment[] = list.map(({ count, bytes }, index) => {
          const segment = { base, bytes, firstTimeMs: startMs + index * 10 };
          base += count;
          return segment;
        });
        if (emptyTail) segments.push({ base, bytes: 0, firstTimeMs: undefined });
        return {
          stream: 's',
          partition: 0,
          segments,
          bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
          end: base,
          holders: held === undefined ? undefined : [{ offset: held }],
        };
      });
    fc.assert(
      fc.property(
        fc.array(partition, { maxLength: 4 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 800 }),
        (partitions, olderThanMs, retainBytes) => {
          const counts = planRetention(partitions, { olderThanMs, retainBytes });
          let left = partitions.reduce((sum, { bytes }) => sum + bytes, 0);
          let young = Number.POSITIVE_INFINITY;
          partitions.forEach(({ segments, holders }, index) => {
            const gone = segments.slice(0, counts[index]);
            if (gone.length === 0) return;
            const next = segments[gone.length]!;
            assert.ok(next.bytes > 0, 'the newest segment with records stays');
            assert.ok(
              holders!.every(({ offset }) => offset >= next.base),
              'only what was read leaves',
            );
            left -= gone.reduce((sum, { bytes }) => sum + bytes, 0);
            if (next.firstTimeMs! >= olderThanMs) young = Math.min(young, gone.at(-1)!.bytes);
          });
          if (young < Number.POSITIVE_INFINITY) assert.ok(left + 100 > retainBytes, 'not more than needed');
          if (left > retainBytes) {
            const more = planRetention(
              partitions.map((entry, index) => ({
                ...entry,
                segments: entry.segments.slice(counts[index]),
                bytes: entry.segments.slice(counts[index]).reduce((sum, { bytes }) => sum + bytes, 0),
              })),
              { olderThanMs, retainBytes },
            );
            assert.ok(
              more.every(count => count === 0),
              'a second pass finds nothing',
            );
          }
        },
      ),
    );
  });
});
