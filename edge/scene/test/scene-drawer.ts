import { createHash } from 'node:crypto';
import { drawScene, type SceneFacts } from '../scene.ts';

/** Draws the scene of its argument and says what it had for that; run as a process of its own by a test. */
const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
const jpeg = await drawScene(JSON.parse(process.argv[2]!) as SceneFacts, 960);
const { GlobalFonts } = await import('@napi-rs/canvas');
process.stdout.write(
  JSON.stringify({
    loadedBefore: sharedObjects.some(path => path.includes('skia')),
    families: GlobalFonts.families.map(({ family }) => family),
    sha256: createHash('sha256').update(jpeg).digest('hex'),
  }),
);
