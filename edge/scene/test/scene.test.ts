import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import type { Reason } from '../../classifier.ts';
import { loadTickets } from '../../tickets.ts';
import { drawRemedy, type Remedy } from '../remedy.ts';
import { drawFrame, drawScene, platePlace, type SceneFacts, withComment } from '../scene.ts';

const reasons: (Reason | undefined)[] = [
  undefined,
  'two-codes-possible',
  'sign-occluded',
  'plate-unreadable',
  'camera-angle',
  'low-confidence',
  'unknown-vehicle',
];
const remedies: Remedy[] = ['zoom', 'photograph-again', 'dismiss', 'escalate'];
const tickets = loadTickets();

/** A real summons of the sample, seen under changing conditions. */
function factsOf(index: number): SceneFacts {
  const row = (index * 997) % tickets.code.length;
  const reason = reasons[index % reasons.length];
  return {
    code: tickets.code[row]!,
    street: tickets.street[row] || 'Broadway',
    house: tickets.house[row]!,
    plate: tickets.plate[row]!,
    plateState: tickets.plateState[row]!,
    bodyType: tickets.bodyType[row]!,
    colour: tickets.colour[row]!,
    hour: Math.floor(tickets.minute[row]! / 60),
    ...(reason === undefined ? {} : { reason, remedy: remedies[index % remedies.length]! }),
    look: index % 3 === 0 ? 2 : 1,
    seed: `test-${index}`,
  };
}

const plain: SceneFacts = {
  code: 20,
  street: 'Bedford Avenue',
  plate: 'HBC4821',
  plateState: 'NJ',
  bodyType: '4DSD',
  colour: 'GY',
  hour: 11,
  look: 1,
  seed: 'plain',
};

/** Mean step from a pixel to its right neighbour in the plate's lower part, where its number is. */
async function plateContrast(facts: SceneFacts): Promise<number> {
  const image = await loadImage(await drawScene(facts, 960));
  const canvas = createCanvas(960, 720);
  const pen = canvas.getContext('2d');
  pen.drawImage(image, 0, 0);
  const [x, y, wide, high] = platePlace(facts, 960).map(Math.round) as [number, number, number, number];
  const [fromX, fromY, columns, rows] = [x + 6, Math.round(y + high * 0.45), wide - 12, Math.round(high * 0.3)];
  const { data } = pen.getImageData(fromX, fromY, columns, rows);
  let sum = 0;
  for (let at = 4; at < data.length; at += 4) if ((at / 4) % columns !== 0) sum += Math.abs(data[at]! - data[at - 4]!);
  return sum / (data.length / 4);
}

test('scenes of real summonses are JPEGs of 20 to 60 kB, whatever makes them hard', async () => {
  for (let index = 0; index < 40; index++) {
    const facts = factsOf(index);
    const jpeg = await drawScene(facts, 960);
    assert.equal(jpeg.readUInt16BE(), 0xffd8);
    assert.ok(jpeg.length >= 20_000 && jpeg.length <= 60_000, `${jpeg.length} bytes: ${JSON.stringify(facts)}`);
  }
});

test('the same facts give the same bytes, also of calls that overlap; another seed gives others', async () => {
  const [one, other, ...again] = await Promise.all([
    drawScene(factsOf(1), 640),
    drawScene(factsOf(2), 640),
    drawScene(factsOf(1), 640),
    drawScene(factsOf(2), 640),
  ]);
  assert.deepEqual(again, [one, other]);
  assert.notDeepEqual(await drawScene({ ...factsOf(1), seed: 'another' }, 640), one);
});

test('every code of the list can be drawn, as a violation and as none', async () => {
  for (let code = 0; code <= 99; code++) {
    const guilty = await drawScene({ ...plain, code }, 320);
    const dismissed = await drawScene({ ...plain, code, reason: 'low-confidence', remedy: 'dismiss' }, 320);
    assert.ok(guilty.length > 4000 && dismissed.length > 4000, `code ${code}`);
  }
});

test('a plate to be photographed again is hidden in the first look and clear in the second', async () => {
  for (let index = 0; index < 6; index++) {
    const hard = { ...plain, reason: 'plate-unreadable', seed: `again-${index}` } as const;
    const first = await plateContrast({ ...hard, remedy: 'photograph-again' });
    const second = await plateContrast({ ...hard, remedy: 'photograph-again', look: 2 });
    const escalated = await plateContrast({ ...hard, remedy: 'escalate', look: 2 });
    const dirty = await plateContrast({ ...hard, remedy: 'zoom' });
    assert.ok(second > 2.5 * first, `first look ${first}, second ${second}`);
    assert.ok(second > 2.5 * escalated, `escalated ${escalated}`);
    assert.ok(dirty > 1.3 * first && dirty < second, `dirty ${dirty}, hidden ${first}, clear ${second}`);
  }
});

/** Runs the drawer where the system has no fonts; where that cannot be had, where it is told not to load them. */
async function drawWithoutFonts(
  t: TestContext,
): Promise<{ loadedBefore: boolean; families: string[]; sha256: string }> {
  const run = promisify(execFile);
  const drawer = [process.execPath, join(import.meta.dirname, 'scene-drawer.ts'), JSON.stringify(plain)];
  const hide =
    'for f in /usr/share/fonts /usr/local/share/fonts; do test ! -d $f || mount -t tmpfs none $f; done && exec "$@"';
  const options = { env: { PATH: process.env.PATH, HOME: tmpdir(), DISABLE_SYSTEM_FONTS_LOAD: '1' } };
  try {
    return JSON.parse((await run('unshare', ['-rm', 'sh', '-ec', hide, 'sh', ...drawer], options)).stdout);
  } catch {
    t.diagnostic('no user namespaces here: the system fonts are there, though not loaded');
    return JSON.parse((await run(drawer[0]!, drawer.slice(1), options)).stdout);
  }
}

test('without system fonts the same bytes are drawn, texts too, and the library is loaded at the first picture', async t => {
  const child = await drawWithoutFonts(t);
  assert.equal(child.loadedBefore, false);
  assert.deepEqual(child.families, ['Overpass', 'Scene Overpass']);
  assert.equal(
    child.sha256,
    createHash('sha256')
      .update(await drawScene(plain, 960))
      .digest('hex'),
  );
  const written = await plateContrast(plain);
  const empty = await plateContrast({ ...plain, plate: 'BLANKPLATE' });
  assert.ok(written > 3 * empty, `contrast of a plate ${written}, without its number ${empty}`);
});

test('a comment makes a picture unique and leaves its pixels alone', async () => {
  const jpeg = await drawScene(plain, 320);
  const commented = withComment(jpeg, 'nyc-0001/7');
  assert.notDeepEqual(commented, jpeg);
  assert.equal(commented.readUInt16BE(2), 0xfffe);
  const pixels = await Promise.all(
    [jpeg, commented].map(async bytes => {
      const image = await loadImage(bytes);
      const pen = createCanvas(image.width, image.height).getContext('2d');
      pen.drawImage(image, 0, 0);
      return pen.getImageData(0, 0, image.width, image.height).data;
    }),
  );
  assert.deepEqual(pixels[0], pixels[1]);
  assert.throws(() => withComment(jpeg, 'x'.repeat(65_534)), TypeError);
});

test('frames keep to their size, with room for a comment', async () => {
  for (const bytes of [20_000, 100_000, 1024 * 1024]) {
    const frame = await drawFrame('patrol', bytes);
    assert.ok(frame.length <= bytes - 1004 && frame.length > bytes * 0.8, `${frame.length} for ${bytes}`);
    assert.ok((await loadImage(frame)).width >= 640);
  }
});

test('of those that cannot be qualified 70 % can be decided, 20 % again, 10 % not', () => {
  const state = { word: 1 };
  const counts = new Map<Remedy, number>();
  for (let draw = 0; draw < 20_000; draw++) {
    const remedy = drawRemedy(state);
    counts.set(remedy, (counts.get(remedy) ?? 0) + 1);
  }
  for (const [remedy, share] of [
    ['zoom', 0.7],
    ['photograph-again', 0.2],
    ['dismiss', 0.05],
    ['escalate', 0.05],
  ] as const) {
    assert.ok(Math.abs(counts.get(remedy)! / 20_000 - share) < 0.01, `${remedy}: ${counts.get(remedy)}`);
  }
});
