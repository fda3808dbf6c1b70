import { createHash, hash } from 'node:crypto';
import type { ObjectStore } from '../archive/object-store.ts';
import type { ArchivedObject, Damage } from './archive-listing.ts';
import { type Engine, literal, parquet, type Row } from './engine.ts';
import { type PackPart, packParts } from './pack-parts.ts';
import type { DamagedPicture, Sample } from './picture-report.ts';
import { type PictureKind, places } from './picture-tables.ts';

export interface CheckDeps {
  engine: Engine;
  objects: ObjectStore;
  signal: AbortSignal;
  sample: Sample;
  /** Also compare every pack's SHA-256 with the manifest's, and where it differs hash all its pictures. */
  verify: boolean;
  onProgress: (step: string) => void;
}

/** The archived pictures of one kind: their indexes, and the packs that are there with their bytes. */
export interface ArchivedPictures {
  kind: PictureKind;
  indexes: readonly ArchivedObject[];
  packs: ReadonlyMap<string, number>;
}

/** What was hashed, and hears of every picture that is not what its id says. */
export interface Checked {
  checked(kind: string): void;
  damaged(picture: DamagedPicture): void;
}

interface Picture {
  kind: string;
  imageId: string;
  droneId: string;
  pack: string;
  position: number;
  length: number;
}

interface Part extends PackPart<Picture> {
  pack: string;
  bytes: Uint8Array;
  /** Whether the pack ends with it. */
  last: boolean;
  index: ArchivedObject;
}

/** Parts of 32 MiB cost a third more system time. */
const partBytes = 8 * 1024 * 1024;
const rangesAtOnce = 16;
const progressMs = 2000;

export function hashes(bytes: Uint8Array, imageId: string): boolean {
  return hash('sha256', bytes) === imageId;
}

/** Hashes a sample of the archived pictures, or all, and with `verify` all packs too. Gives the packs that differ. */
export async function checkPictures(
  archived: readonly ArchivedPictures[],
  deps: CheckDeps,
  result: Checked,
): Promise<Damage[]> {
  const { sample, verify } = deps;
  if (sample.size !== 'all' && sample.size > 0) await checkSample(sample.size, deps, result);
  return sample.size === 'all' || verify ? checkPacks(archived, deps, result) : [];
}

/** Random pictures, one range read each. */
async function checkSample(size: number, { engine, objects, sample, signal }: CheckDeps, result: Checked) {
  const rows = await engine.rows(`
select s.kind, lower(hex(s.id)) as image_id, s.drone_id, p.key as pack, s.position, s.length
from (select * from stored where place = ${places.archive} order by hash(id, ${sample.seed}), pack, position limit ${size}) s
join pack p on p.number = s.pack order by p.key, s.position`);
  const pictures = rows.map(pictureOf);
  for (let at = 0; at < pictures.length; at += rangesAtOnce) {
    signal.throwIfAborted();
    const some = pictures.slice(at, at + rangesAtOnce);
    const bytes = await Promise.all(
      some.map(({ pack, position, length }) => objects.get(pack, { start: position, end: position + length })),
    );
    for (const [index, picture] of some.entries()) judge(picture, bytes[index]!, result);
  }
}

/** Every pack from its beginning to its end, each read while the one before is hashed. */
async function checkPacks(archived: readonly ArchivedPictures[], deps: CheckDeps, result: Checked): Promise<Damage[]> {
  const { sample, verify } = deps;
  const damaged: Damage[] = [];
  const differing = new Set<ArchivedObject>();
  const progress = progressOf(archived, deps.onProgress);
  let whole = createHash('sha256');
  for await (const { pack, start, bytes, pictures, last, index } of oneAhead(partsOf(archived, deps))) {
    for (const picture of pictures) {
      const begin = picture.position - start;
      judge(picture, bytes.subarray(begin, begin + picture.length), result);
    }
    progress(bytes.length);
    if (!verify) continue;
    whole.update(bytes);
    if (!last) continue;
    const digest = whole.digest('hex');
    whole = createHash('sha256');
    if (index.pack?.key !== pack || index.pack.sha256 === digest) continue;
    damaged.push({ object: pack, problem: 'its SHA-256 is not the one in its manifest entry', index: index.key });
    differing.add(index);
  }
  if (differing.size > 0 && sample.size !== 'all') {
    const those = archived.map(one => ({ ...one, indexes: one.indexes.filter(index => differing.has(index)) }));
    await checkPacks(those, { ...deps, verify: false, sample: { ...sample, size: 'all' } }, result);
  }
  return damaged;
}

async function* partsOf(archived: readonly ArchivedPictures[], deps: CheckDeps): AsyncGenerator<Part> {
  const { objects, engine, sample, signal } = deps;
  for (const { kind, indexes, packs } of archived) {
    for (const index of indexes) {
      const pictures = sample.size === 'all' ? await picturesIn(kind, index, engine) : [];
      const names = new Set(pictures.map(({ pack }) => pack));
      if (index.pack !== undefined) names.add(index.pack.key);
      for (const pack of names) {
        const packBytes = packs.get(pack);
        if (packBytes === undefined) continue;
        const own = pictures.filter(picture => picture.pack === pack);
        for (const part of packParts(own, packBytes, partBytes)) {
          signal.throwIfAborted();
          const bytes = await objects.get(pack, part);
          yield { ...part, pack, bytes, last: part.end === packBytes, index };
        }
      }
    }
  }
}

/** The pictures of one index in the order of its pack. One that cannot be read was named when the tables were filled. */
async function picturesIn({ kind }: PictureKind, index: ArchivedObject, { each }: Engine): Promise<Picture[]> {
  const found: Picture[] = [];
  const query = (files: string) => `
select ${literal(kind)} as kind, image_id, key as drone_id, pack, position, length from ${parquet(files)}
order by pack, position`;
  await each([index], query, row => found.push(pictureOf(row)));
  return found;
}

function pictureOf({ kind, image_id, drone_id, pack, position, length }: Row): Picture {
  return {
    kind: String(kind),
    imageId: String(image_id),
    droneId: String(drone_id),
    pack: String(pack),
    position: Number(position),
    length: Number(length),
  };
}

function judge({ kind, imageId, droneId, pack, position, length }: Picture, bytes: Uint8Array, result: Checked): void {
  result.checked(kind);
  if (hashes(bytes, imageId)) return;
  const where = `${length} bytes at ${position} of ${pack}`;
  result.damaged({ kind, imageId, droneId, where, problem: 'its bytes do not hash to its id' });
}

/** The items of a generator, each asked for before the one before it is given out. Ends when nothing runs in it any more. */
async function* oneAhead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = items.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done === true) return;
      next = items.next();
      next.catch(() => {}); // it is heard when its turn comes
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await items.return(undefined);
  }
}

function progressOf(archived: readonly ArchivedPictures[], onProgress: (step: string) => void) {
  const totalBytes = archived
    .flatMap(({ indexes, packs }) => indexes.map(({ pack }) => (pack && packs.get(pack.key)) ?? 0))
    .reduce((sum, bytes) => sum + bytes, 0);
  const beganMs = performance.now();
  let toldMs = beganMs;
  let doneBytes = 0;
  return (bytes: number) => {
    doneBytes += bytes;
    const nowMs = performance.now();
    if (nowMs - toldMs < progressMs) return;
    toldMs = nowMs;
    const bytesPerMs = doneBytes / (nowMs - beganMs);
    const leftS = Math.ceil(Math.max(0, totalBytes - doneBytes) / bytesPerMs / 1000);
    const gigabytes = (count: number) => (count / 1e9).toFixed(1);
    onProgress(
      `reading packs: ${gigabytes(doneBytes)} of ${gigabytes(totalBytes)} GB, ` +
        `${(bytesPerMs / 1000).toFixed(0)} MB/s, ${leftS} s left`,
    );
  };
}
