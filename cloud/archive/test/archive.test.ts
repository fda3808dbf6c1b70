import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configIn, keysIn, openArchive, openLog, query, telemetry, temporaryFolder } from './archive-scene.ts';

test('what was appended is read back from Parquet after a clean stop', async t => {
  const config = configIn(await temporaryFolder(t));
  const log = await openLog(t, config);
  const { archive, objects } = await openArchive(t, config, { log });
  await log.append('telemetry', telemetry(1, 5000));
  await archive.stop();
  assert.equal(archive.counts().recordsArchived, 5000);
  assert.deepEqual(archive.health().problem, undefined);
  assert.equal((await keysIn(objects, 'archive/telemetry/')).length, 1);
  assert.deepEqual(
    await query(
      config.DATA_DIR,
      'telemetry',
      'select count(*) as n, sum(seq)::double as s, count_if(redelivery) as r from $files',
    ),
    [{ n: 5000n, s: 12_502_500, r: 0n }],
  );
});
