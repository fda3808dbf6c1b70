import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { markRecord } from '../../../log/record.ts';
import { encodeEntry, entryKey, objectKey, packKey, sha256Of } from '../manifest.ts';
import { openFileObjectStore } from '../object-store-files.ts';
import { sweepPacks } from '../pack-sweep.ts';
import {
  configIn,
  contentOf,
  entriesOf,
  eventually,
  keysIn,
  openArchive,
  openLog,
  pictures,
  temporaryFolder,
} from './archive-scene.ts';

const dayMs = 24 * 3600 * 1000;
const day = Date.UTC(2026, 10, 21);

test('a pack that no index names is swept a day after its day, at the start and then daily', async t => {
  const config = configIn(await temporaryFolder(t), { ARCHIVE_RUN_MAX_BYTES: '20000' });
  const log = await openLog(t, config, { now: () => day });
  await log.append('frame', [...pictures('frame', 1, 40), markRecord('test')]);
  const first = await openArchive(t, config, { log, only: ['frame'] });
  await first.archive.stop();
  const complete = await contentOf(first.objects);
  const [pack, other] = await keysIn(first.objects, 'pack/');
  const named = Object.keys(complete).filter(key => key.startsWith('pack/')).length;
  const leave = (key: string) => writeFile(join(config.DATA_DIR, key), 'garbage');
  const garbage = [
    pack!.replace(/\d{20}-/, `${'1'.padStart(20, '0')}-`),
    other!.replace(/[0-9a-f]{16}\./, '0123456789abcdef.'),
  ];
  const toCome = pack!.replace(/\d{20}-/, `${'9'.repeat(20)}-`);
  for (const key of [...garbage, toCome]) await leave(key);

  let nowMs = day + 2 * dayMs;
  const last = (await entriesOf(first.objects, 'frame')).at(-1)!;
  const committed = [{ partition: 0, log8: /p0-(\w{8})/.exec(pack!)![1]!, next: last.next }];
  assert.deepEqual(await sweepPacks(first.objects, 'frame', { committed, nowMs, signal: t.signal }), []);
  nowMs += 1;
  const { archive, objects } = await openArchive(t, config, { log, only: ['frame'], now: () => nowMs });
  const swept = async () => (await keysIn(objects, 'pack/')).length === named + 1;
  await eventually('the garbage is gone', swept);
  const { [toCome]: kept, ...rest } = await contentOf(objects);
  assert.ok(kept !== undefined);
  assert.deepEqual(rest, complete);
  for (const key of garbage) await leave(key);
  nowMs += dayMs;
  await eventually('the garbage of the next day is gone', swept);
  await archive.stop();
});

/** One run of a made-up archive: what lies there of it, and of which packs. */
const run = fc.record({
  partition: fc.constantFrom(0, 1, 1, 10),
  log8: fc.constantFrom('00000000', '00000000', '00000000', 'ffffffff'),
  from: fc.bigInt({ min: 0n, max: 40n }),
  dayMs: fc.constantFrom(day, day, day, day + dayMs),
  packs: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
  named: fc.constantFrom('a', 'b', 'c'),
  hasIndex: fc.boolean(),
  entry: fc.constantFrom('none', 'good', 'damaged'),
});

test('A3: a sweep never removes a pack that an index or an entry names, nor one of today or of a run to come', async t => {
  const property = fc.asyncProperty(
    fc.uniqueArray(run, {
      selector: ({ partition, log8, from }) => `${partition}/${log8}/${from}`,
      minLength: 25,
      maxLength: 35,
    }),
    fc.bigInt({ min: 20n, max: 40n }),
    (runs, next) => checkSweep(t, runs, next),
  );
  await fc.assert(property, { numRuns: 10 });
});

type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

async function checkSweep(t: TestContext, runs: readonly Run[], next: bigint): Promise<void> {
  const root = await temporaryFolder(t);
  const objects = await openFileObjectStore({ root, areas: ['archive', 'manifest', 'pack'] });
  const put = async (key: string, bytes: string | Buffer) => {
    await mkdir(dirname(join(root, key)), { recursive: true });
    await writeFile(join(root, key), bytes); // a real put syncs, which nothing here needs
  };
  const [garbage, stays]: [string[], string[]] = [[], []];
  for (const { packs, named, hasIndex, entry, dayMs: atMs, ...place } of runs) {
    const name = { stream: 'frame', ...place };
    const keyOf = (pack: string) => packKey(name, atMs, sha256Of(Buffer.from(pack)));
    for (const pack of packs) await put(keyOf(pack), pack);
    if (hasIndex) await put(objectKey(name, atMs), 'index');
    const pack = { key: keyOf(named), bytes: 1, sha256: '' };
    const good = encodeEntry({ from: place.from, next: 0n, pack } as Parameters<typeof encodeEntry>[0]);
    if (entry !== 'none') await put(entryKey(name), entry === 'good' ? good : '{');
    const due = atMs === day && place.log8 === '00000000' && place.partition < 2 && place.from < next;
    for (const each of packs) {
      const othersNamed = entry === 'good' && each !== named && packs.includes(named) && packs.length > 1;
      const isGarbage = due && (entry === 'none' ? !hasIndex : othersNamed);
      (isGarbage ? garbage : stays).push(keyOf(each));
    }
  }
  const committed = [0, 1].map(partition => ({ partition, log8: '00000000', next }));
  const nowMs = day + 2 * dayMs + 1;
  const removed = await sweepPacks(objects, 'frame', { committed, nowMs, signal: t.signal });
  assert.deepEqual(removed.toSorted(), garbage.toSorted());
  assert.deepEqual(await keysIn(objects, 'pack/'), stays.toSorted());
}
