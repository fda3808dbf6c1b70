import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { type EventLog, type LogRecord, maxRecordBytes, type StoredRecord } from '../event-log.ts';
import { recordBytes } from '../record.ts';
import { collect, eventually, record, records, text, texts } from './temporary-log.ts';

/** Opens an empty log whose streams `telemetry` and `violation` have so many partitions, and closes it when the test ends. */
export type OpenForContract = (t: TestContext, partitions: number) => Promise<EventLog>;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const deadlineMs = 20_000;
const signal = () => AbortSignal.timeout(deadlineMs);

/** The suite that every adapter of the event log passes. What an adapter `lacks` is skipped, by that name. */
export function eventLogContract(name: string, open: OpenForContract, { lacks }: { lacks: readonly string[] }): void {
  async function everything(log: EventLog, stream = 'telemetry', partition = 0) {
    const { end, earliest } = (await log.ends(stream))[partition]!;
    return collect(log.fetch(stream, partition, earliest, { signal: signal(), until: end }));
  }

  describe(`event log contract: ${name}`, () => {
    it('keeps the order of the calls for each key, and a key in one partition', async t => {
      const log = await open(t, 3);
      const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
      const calls = Array.from({ length: 40 }, (_, call) =>
        log.append(
          'telemetry',
          keys.map(key => record(`${key}:${call}`, key)),
        ),
      );
      await Promise.all(calls);
      const partitions = await Promise.all([0, 1, 2].map(partition => everything(log, 'telemetry', partition)));
      assert.equal(partitions.flat().length, keys.length * calls.length);
      for (const key of keys) {
        const holding = partitions.filter(list => list.some(found => found.key === key));
        assert.equal(holding.length, 1, `partitions that hold ${key}`);
        assert.deepEqual(
          texts(holding[0]!.filter(found => found.key === key)),
          calls.map((_, call) => `${key}:${call}`),
        );
      }
    });

    it('stores in the named partition whatever the key says', async t => {
      const log = await open(t, 2);
      await log.append('telemetry', [record('x', 'a'), record('y', 'b')], 1);
      assert.deepEqual(texts(await everything(log, 'telemetry', 1)), ['x', 'y']);
      assert.equal((await log.ends('telemetry'))[0]!.end, 0n);
    });

    it('has told the ends, and gives the records, once an append has resolved', async t => {
      const log = await open(t, 1);
      for (let call = 1; call <= 5; call++) {
        await log.append('telemetry', records(call * 10, call * 10 + 2));
        assert.equal((await log.ends('telemetry'))[0]!.end, BigInt(call * 3));
        assert.equal((await everything(log)).length, call * 3);
      }
      const all = await everything(log);
      assert.deepEqual(
        all.map(({ offset }) => offset),
        all.map((_, index) => BigInt(index)),
      );
      assert.ok(all.every(({ timeMs }, index) => index === 0 || timeMs >= all[index - 1]!.timeMs));
    });

    it('says earliest = end = 0 of a stream that nothing was appended to', async t => {
      const log = await open(t, 2);
      const ends = await log.ends('violation');
      assert.deepEqual(
        ends.map(({ partition, earliest, end }) => ({ partition, earliest, end })),
        [0, 1].map(partition => ({ partition, earliest: 0n, end: 0n })),
      );
      assert.deepEqual(await log.groups('violation'), []);
    });

    it('gives a reader that came before the first record that record', async t => {
      const log = await open(t, 1);
      const reading = collect(log.read('telemetry', { group: 'early', signal: signal() }), 1);
      await log.append('telemetry', [record('first')]);
      assert.deepEqual(texts(await reading), ['first']);
    });

    it('lets each group read everything', async t => {
      const log = await open(t, 2);
      await log.append('telemetry', [record('1', 'a'), record('2', 'b'), record('3', 'c'), record('4', 'd')]);
      for (const group of ['one', 'two']) {
        const seen: string[] = [];
        for await (const batch of log.read('telemetry', { group, signal: signal() })) {
          seen.push(...texts(batch.records));
          await batch.commit();
          if (seen.length === 4) break;
        }
        assert.deepEqual(seen.sort(), ['1', '2', '3', '4']);
      }
      assert.deepEqual(new Set((await log.groups('telemetry')).map(({ group }) => group)), new Set(['one', 'two']));
    });

    it('goes on after what was committed and gives again what was not', async t => {
      const log = await open(t, 1);
      await log.append('telemetry', records(0, 9));
      const read = () => log.read('telemetry', { group: 'g', signal: signal(), maxBatchBytes: 1 });
      let number = 0;
      for await (const batch of read()) {
        if (number < 4) await batch.commit();
        if (++number === 7) break;
      }
      assert.deepEqual(await log.groups('telemetry'), [{ group: 'g', partition: 0, offset: 4n }]);
      assert.deepEqual(texts(await collect(read(), 6)), [4, 5, 6, 7, 8, 9].map(String));
    });

    it('begins where `from` says, in place of the committed position', async t => {
      const log = await open(t, 1);
      await log.append('telemetry', records(0, 9));
      for await (const batch of log.read('telemetry', { group: 'g', signal: signal() })) {
        await batch.commit();
        break;
      }
      const from = async (partition: number, ends: { end: bigint }) => {
        assert.equal(partition, 0);
        assert.equal(ends.end, 10n);
        return 7n;
      };
      const again = await collect(log.read('telemetry', { group: 'g', signal: signal(), from }), 3);
      assert.deepEqual(texts(again), ['7', '8', '9']);
    });

    it('ends waiting readers when their signal aborts, without an error', async t => {
      const log = await open(t, 2);
      await log.append('telemetry', [record('x')], 0);
      const stop = new AbortController();
      let seen = 0;
      const reading = (async () => {
        for await (const { records } of log.read('telemetry', { group: 'g', signal: stop.signal })) {
          seen += records.length;
          setImmediate(() => stop.abort());
        }
      })();
      const fetching = collect(log.fetch('telemetry', 1, 0n, { signal: stop.signal }));
      await Promise.all([reading, fetching]);
      assert.equal(seen, 1);
      const aborted = AbortSignal.abort();
      assert.deepEqual(await collect(log.read('telemetry', { group: 'h', signal: aborted })), []);
    });

    it('fetches from an offset to another', async t => {
      const log = await open(t, 1);
      for (let first = 0; first < 100; first += 10) await log.append('telemetry', records(first, first + 9));
      for (const [from, until] of [
        [0, 100],
        [5, 15],
        [37, 38],
        [99, 100],
        [50, 50],
      ] as const) {
        const got = await collect(log.fetch('telemetry', 0, BigInt(from), { signal: signal(), until: BigInt(until) }));
        assert.deepEqual(
          texts(got),
          Array.from({ length: until - from }, (_, index) => String(from + index)),
        );
      }
    });

    it('waits for records up to `until`', async t => {
      const log = await open(t, 1);
      const fetching = collect(log.fetch('telemetry', 0, 0n, { signal: signal(), until: 3n }));
      await log.append('telemetry', records(1, 2));
      await log.append('telemetry', records(3, 4));
      assert.deepEqual(texts(await fetching), ['1', '2', '3']);
    });

    it('throws LOG_GAP for an offset past the end', async t => {
      const log = await open(t, 1);
      await log.append('telemetry', records(0, 2));
      await assert.rejects(collect(log.fetch('telemetry', 0, 5n, { signal: signal() })), {
        code: 'LOG_GAP',
        detail: { stream: 'telemetry', partition: 0, from: 3n, to: 5n },
      });
    });

    it('keeps batches below maxBatchBytes, and gives a larger record alone', async t => {
      const log = await open(t, 1);
      const sizes = [10, 400, 90, 5000, 1, 1, 1, 999, 600, 500];
      await log.append(
        'telemetry',
        sizes.map(size => ({ key: '', headers: {}, payload: Buffer.alloc(size) })),
      );
      const batches: number[][] = [];
      const options = { signal: signal(), until: BigInt(sizes.length), maxBatchBytes: 1000 };
      for await (const batch of log.fetch('telemetry', 0, 0n, options)) {
        batches.push(batch.records.map(({ payload }) => payload.length));
        assert.equal(batch.nextOffset, batch.records.at(-1)!.offset + 1n);
      }
      assert.deepEqual(batches.flat(), sizes);
      for (const batch of batches) {
        assert.ok(batch.length === 1 || batch.reduce((sum, size) => sum + size) <= 1000, `batch ${batch}`);
      }
    });

    it('gives payloads that stay as they are; with `reuse` until the next batch is asked for', async t => {
      const log = await open(t, 2);
      // Smaller and larger than what an adapter reads in one go, and many of them.
      const sizes = Array.from({ length: 20 }, (_, index) => [100_000, 7, 300_000, 1_500_000, 50_000][index % 5]!);
      for (const partition of [0, 1]) {
        for (const [index, size] of sizes.entries()) {
          const payload = Buffer.alloc(size, 2 * index + partition);
          await log.append('telemetry', [{ key: '', headers: {}, payload }], partition);
        }
      }
      const check = (partition: number, stored: readonly StoredRecord[]) => {
        for (const { offset, payload } of stored) {
          assert.equal(payload.length, sizes[Number(offset)]);
          const value = 2 * Number(offset) + partition;
          assert.ok(Buffer.alloc(payload.length, value).equals(payload), `offset ${offset}`);
        }
      };
      check(0, await everything(log));
      const options = { signal: signal(), until: BigInt(sizes.length), reuse: true };
      for await (const batch of log.fetch('telemetry', 1, 0n, options)) check(1, batch.records);
      let count = 0;
      for await (const batch of log.read('telemetry', { group: 'g', signal: signal(), reuse: true })) {
        await new Promise(resolve => setImmediate(resolve)); // time in which it could read ahead
        check(batch.partition, batch.records);
        count += batch.records.length;
        if (count === 2 * sizes.length) break;
      }
    });

    it('does not read ahead of a slow reader', async t => {
      const log = await open(t, 1);
      const block: LogRecord[] = Array.from({ length: 128 }, (_, index) => ({
        ...record(''),
        payload: Buffer.alloc(32 * 1024, index),
      }));
      for (let call = 0; call < 8; call++) await log.append('telemetry', block);
      const held = () => {
        collectGarbage();
        return process.memoryUsage().arrayBuffers;
      };
      const before = held();
      let count = 0;
      for await (const batch of log.read('telemetry', {
        group: 'slow',
        signal: signal(),
        maxBatchBytes: 1024 * 1024,
      })) {
        if (count % 256 === 0) {
          await new Promise(resolve => setTimeout(resolve, 20)); // time in which it could read ahead
          // Buffers are given back by a thread of the collector, so not at once.
          await eventually('less than 4 of the 32 MiB in the log are held', () => held() - before < 4 * 1024 * 1024);
        }
        count += batch.records.length;
        if (count === 128 * 8) break;
      }
    });

    it('resolves an empty append and stores nothing', async t => {
      const log = await open(t, 1);
      await log.append('telemetry', []);
      assert.equal((await log.ends('telemetry'))[0]!.end, 0n);
    });

    it('stores the largest record; one byte more is refused with the whole call', async t => {
      const log = await open(t, 1);
      const head = { key: 'k'.repeat(1000), headers: { name: 'value' } };
      const room = maxRecordBytes - recordBytes({ ...head, payload: new Uint8Array(0) });
      const largest = { ...head, payload: Buffer.alloc(room, 7) };
      await log.append('telemetry', [largest]);
      const tooLarge = { ...head, payload: Buffer.alloc(room + 1) };
      await assert.rejects(log.append('telemetry', [record('before'), tooLarge]), { code: 'LOG_RECORD_TOO_LARGE' });
      const wideKey = { key: 'k'.repeat(64 * 1024 + 1), headers: {}, payload: Buffer.alloc(0) };
      await assert.rejects(log.append('telemetry', [wideKey]), { code: 'LOG_RECORD_TOO_LARGE' });
      const wideHeaders = { key: '', headers: { a: 'é'.repeat(32 * 1024) }, payload: Buffer.alloc(0) };
      await assert.rejects(log.append('telemetry', [wideHeaders]), { code: 'LOG_RECORD_TOO_LARGE' });
      const all = await everything(log);
      assert.equal(all.length, 1);
      assert.ok(Buffer.from(all[0]!.payload).equals(largest.payload));
    });

    it('gives back any bytes, keys and headers as they were', async t => {
      const log = await open(t, 1);
      const string = fc.string({ unit: 'binary', maxLength: 80 });
      const headers = fc.dictionary(fc.string({ unit: 'binary', minLength: 1, maxLength: 10 }), string, { maxKeys: 5 });
      const anyRecord = fc.record({ key: string, headers, payload: fc.uint8Array({ maxLength: 300 }) });
      const run = fc.tuple(fc.array(anyRecord, { minLength: 1, maxLength: 12 }), fc.boolean());
      await fc.assert(
        fc.asyncProperty(run, async ([list, shared]) => {
          const sent = shared ? list.map(entry => ({ ...entry, headers: list[0]!.headers })) : list;
          const start = (await log.ends('telemetry'))[0]!.end;
          await log.append('telemetry', sent);
          const until = start + BigInt(sent.length);
          const got = await collect(log.fetch('telemetry', 0, start, { signal: signal(), until }));
          assert.deepEqual(
            got.map(({ key, headers, payload }) => ({ key, headers: { ...headers }, payload: [...payload] })),
            sent.map(({ key, headers, payload }) => ({ key, headers: { ...headers }, payload: [...payload] })),
          );
        }),
        { numRuns: 40 },
      );
    });

    it('stores each of many appends at once exactly once', async t => {
      const log = await open(t, 1);
      await Promise.all(Array.from({ length: 500 }, (_, call) => log.append('telemetry', [record(String(call))])));
      assert.deepEqual(
        (await everything(log)).map(text),
        Array.from({ length: 500 }, (_, call) => String(call)),
      );
    });

    it('refuses a stream that is not in the table', async t => {
      const log = await open(t, 1);
      await assert.rejects(log.append('nonsense', [record('x')]), { code: 'LOG_UNKNOWN_STREAM' });
      await assert.rejects(log.ends('nonsense'), { code: 'LOG_UNKNOWN_STREAM' });
      await assert.rejects(collect(log.read('nonsense', { group: 'g', signal: signal() })), {
        code: 'LOG_UNKNOWN_STREAM',
      });
    });

    it('is closed once: what waits is stored, readers end, what comes later is LOG_CLOSED', async t => {
      const log = await open(t, 1);
      const reading = collect(log.fetch('telemetry', 0, 0n, { signal: signal() }));
      const appending = log.append('telemetry', [record('x')]);
      await Promise.all([log.close(), log.close()]);
      await appending;
      await reading;
      await assert.rejects(log.append('telemetry', [record('y')]), { code: 'LOG_CLOSED' });
    });

    const sharing = 'shares partitions among the members of a group';
    it(sharing, { skip: lacks.includes(sharing) }, async t => {
      const log = await open(t, 4);
      for (let partition = 0; partition < 4; partition++) {
        await log.append('telemetry', records(partition * 100, partition * 100 + 9), partition);
      }
      const seen: string[] = [];
      const stop = new AbortController();
      const member = async () => {
        for await (const batch of log.read('telemetry', { group: 'g', signal: stop.signal })) {
          seen.push(...texts(batch.records));
          await batch.commit();
          if (seen.length >= 40) stop.abort();
        }
      };
      await Promise.all([member(), member()]);
      assert.equal(new Set(seen).size, 40);
    });
  });
}
