import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startArchive } from '../cloud/archive/archive.ts';
import { openObjectStore } from '../cloud/archive/open.ts';
import { findPictures, type PictureRef, readPicture } from '../cloud/archive/pictures.ts';
import { parseConfig } from '../core/config.ts';
import { silentLogger } from '../core/logging.ts';
import { createMetrics } from '../core/metrics.ts';
import { streams } from '../core/streams.ts';
import { encodeTopic } from '../core/topics.ts';
import type { LogRecord } from '../log/event-log.ts';
import { openEventLog } from '../log/open.ts';
import { machine, median, spread } from './process.ts';

/**
 * Pictures of 20 to 100 kB through log and archiver into packs, then 1,000 random ones back, each one range read and a SHA-256,
 * against plain preads of the same ranges; from the disk where `dd` can drop what the page cache holds, and from memory. Bar: p50 <= 5 ms, all
 * hashes right. Also: what archiving costs, and how long the look-up of one id by SQL takes.
 */
const pictureCount = 6000;
const readCount = 1000;
const lookUps = 11;
const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));
const { config } = parseConfig({ DATA_DIR: folder });
const { signal } = new AbortController();
const onDamaged = (object: string, problem: string) => {
  throw new Error(`${object}: ${problem}`);
};

const noise = randomBytes(100_000);
const ids: string[] = [];
function makeRecord(number: number): LogRecord {
  const payload = Buffer.from(noise.subarray(0, 20_000 + Math.floor(Math.random() * 80_000)));
  payload.writeUIntBE(0xffd8ff, 0, 3);
  payload.writeUInt32LE(number, 4);
  const imageId = createHash('sha256').update(payload).digest('hex');
  ids.push(imageId);
  const droneId = `nyc-${String(number % 25).padStart(4, '0')}`;
  const topic = encodeTopic({ fleet: 'nyc', droneId, kind: 'image', imageId });
  return { key: droneId, headers: { topic, kind: 'image', node: 'bench', contentType: 'image/jpeg' }, payload };
}

/** Resolves with MB archived and MB/s a core. */
async function buildArchive(): Promise<{ megabytes: number; perCore: number }> {
  const log = await openEventLog(config, { logger: silentLogger, role: 'bridge' });
  let bytes = 0;
  for (let number = 0; number < pictureCount; number += 20) {
    const records = Array.from({ length: 20 }, (_, index) => makeRecord(number + index));
    for (const { payload } of records) bytes += payload.length;
    await log.append('image', records);
  }
  const before = process.cpuUsage();
  const archive = await startArchive(config, {
    log,
    objects: await openObjectStore(config),
    logger: silentLogger,
    metrics: createMetrics(),
    streams: streams.filter(({ name }) => name === 'image'),
  });
  await archive.stop();
  while (archive.counts().lagRecords > 0) await wait(10);
  const { user, system } = process.cpuUsage(before);
  await log.close();
  return { megabytes: bytes / 1e6, perCore: bytes / (user + system) };
}

/** True when the page cache has let go of these files. */
function dropFromCache(paths: Iterable<string>): boolean {
  for (const path of paths) {
    if (spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0']).status !== 0) return false;
  }
  return true;
}

async function timed(refs: readonly PictureRef[], read: (ref: PictureRef) => unknown): Promise<number[]> {
  const times: number[] = [];
  for (const ref of refs) {
    const began = performance.now();
    await read(ref);
    times.push(performance.now() - began);
  }
  return times;
}

try {
  const { megabytes, perCore } = await buildArchive();
  const objects = await openObjectStore(config);
  const refs: PictureRef[] = [];
  for await (const ref of findPictures(objects, ids, { signal, onDamaged })) refs.push(ref);
  if (refs.length !== pictureCount) throw new Error(`${refs.length} of ${pictureCount} pictures are in the archive`);
  const chosen = Array.from({ length: readCount }, () => refs[Math.floor(Math.random() * refs.length)]!);

  const packs = new Map(refs.map(({ pack }) => [objects.locate(pack)!, 0]));
  for (const path of packs.keys()) packs.set(path, openSync(path, 'r'));
  const buffer = Buffer.allocUnsafe(100_000);
  const ours = (ref: PictureRef) => readPicture(objects, ref);
  const floor = ({ pack, position, length }: PictureRef) =>
    readSync(packs.get(objects.locate(pack)!)!, buffer, 0, length, position);
  const results: Record<string, number[]> = {};
  const canDrop = dropFromCache(packs.keys());
  if (canDrop) {
    results.diskOurs = await timed(chosen, ours);
    dropFromCache(packs.keys());
    results.diskFloor = await timed(chosen, floor);
  }
  await timed(chosen, floor);
  results.cacheOurs = await timed(chosen, ours);
  results.cacheFloor = await timed(chosen, floor);
  for (const descriptor of packs.values()) closeSync(descriptor);

  const lookUpMs: number[] = [];
  for (let round = 0; round < lookUps; round++) {
    const id = chosen[round]!.imageId;
    const began = performance.now();
    let count = 0;
    for await (const _ of findPictures(objects, [id], { signal, onDamaged })) count++;
    lookUpMs.push(performance.now() - began);
    if (count !== 1) throw new Error(`${id} was found ${count} times`);
  }

  const percentile = (times: readonly number[], share: number) =>
    times.toSorted((a, b) => a - b)[Math.floor(times.length * share)]!;
  const line = (name: string, times: readonly number[], floorTimes: readonly number[]) => {
    const ratio = median(times) / median(floorTimes);
    return `${name.padEnd(20)}p50 ${median(times).toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)}, ${ratio.toFixed(1)} x a pread's ${median(floorTimes).toFixed(2)}\n`;
  };
  process.stdout.write(`${machine()}
archiving           ${perCore.toFixed(0)} MB/s a core (${megabytes.toFixed(0)} MB in ${packs.size} packs, log read from the page cache)
${canDrop ? line('read, from disk', results.diskOurs!, results.diskFloor!) : 'read, from disk     not measured: the page cache cannot be dropped here\n'}${line('read, from memory', results.cacheOurs!, results.cacheFloor!)}look-up of an id    ${spread(lookUpMs, 1)} ms, engine opened each time
bar                 p50 <= 5 ms; all ${readCount} hashes were right
`);
  if (median(results.diskOurs ?? results.cacheOurs!) > 5) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
