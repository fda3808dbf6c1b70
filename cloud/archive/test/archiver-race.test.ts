import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { EventLog } from '../../../log/event-log.ts';
import { markRecord } from '../../../log/record.ts';
import { openObjectStore } from '../open.ts';
import {
  configIn,
  contentOf,
  eventually,
  keysIn,
  openArchive,
  openLog,
  pictures,
  record,
  smallRuns,
  telemetry,
  temporaryFolder,
} from './archive-scene.ts';

const only = ['telemetry', 'violation', 'frame'];

/** A log of several runs with redeliveries and marks, and what one undisturbed archiver makes of it. */
async function openRace(t: TestContext) {
  const logDir = await temporaryFolder(t);
  const log = await openLog(t, configIn(logDir));
  for (let first = 1; first <= 1601; first += 400) {
    await log.append('telemetry', telemetry(first, first + 450));
    if (first % 800 === 1) await log.append('telemetry', [markRecord('test')]);
    await log.append('violation', [record('violation', { seq: first }), record('violation', { seq: first })]);
    await log.append('frame', pictures('frame', first, first + 130));
  }
  const config = configIn(await temporaryFolder(t), smallRuns);
  const { archive, objects } = await openArchive(t, config, { log, only });
  await archive.stop();
  const undisturbed = await contentOf(objects);
  for (const area of ['pack/frame/', 'archive/frame/', 'archive/telemetry/']) {
    assert.ok(Object.keys(undisturbed).filter(key => key.startsWith(area)).length > 3, area);
  }
  return { logDir, log, undisturbed };
}

/** Finishes what is left in a folder and gives everything that lies there. */
async function finish(t: TestContext, log: EventLog, archiveDir: string) {
  const { archive, objects } = await openArchive(t, configIn(archiveDir, smallRuns), { log, only });
  await archive.stop();
  assert.equal(archive.health().problem, undefined);
  return contentOf(objects);
}

function startArchiver(t: TestContext, logDir: string, archiveDir: string): ChildProcess {
  const script = join(import.meta.dirname, 'archiver-process.ts');
  const child = spawn(process.execPath, [script, logDir, archiveDir, ...only], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

test('A1, A3: two archivers at once leave the objects, entries and hashes of one undisturbed', async t => {
  const { log, undisturbed } = await openRace(t);
  const config = configIn(await temporaryFolder(t), smallRuns);
  const pair = await Promise.all([openArchive(t, config, { log, only }), openArchive(t, config, { log, only })]);
  await Promise.all(pair.map(({ archive }) => archive.stop()));
  for (const { archive } of pair) assert.equal(archive.health().problem, undefined);
  assert.deepEqual(await contentOf(pair[0].objects), undisturbed);
});

test('A2, A3: archivers killed at random moments leave what one undisturbed does', async t => {
  const { logDir, log, undisturbed } = await openRace(t);
  const archiveDir = await temporaryFolder(t);
  const seen: number[] = [];
  for (const objectsFirst of [1, 4, 8]) {
    const child = startArchiver(t, logDir, archiveDir);
    const config = configIn(archiveDir, smallRuns);
    const objects = await openObjectStore(config);
    await eventually('some objects', async () => (await keysIn(objects, 'archive/telemetry/')).length >= objectsFirst);
    await wait(Math.random() * 40); // anywhere within the writing of a run
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    seen.push((await keysIn(objects, 'archive/')).length);
  }
  assert.deepEqual(await finish(t, log, archiveDir), undisturbed, `after kills at ${seen} objects`);
});
