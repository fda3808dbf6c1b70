/** Stores violations with images and telemetry with frames as fast as it can, saying so once they are on disk, until it is killed. */
import { hash, randomBytes } from 'node:crypto';
import { openOutbox } from '../outbox.ts';
import { openPictureFiles } from '../picture-files.ts';

const outbox = openOutbox(process.argv[2]!, {
  maxBytes: 1e9,
  openFiles: (folder, named) => openPictureFiles(folder, named, { rollBytes: 300_000 }),
});
const [drone] = outbox.addDrones([{ droneId: 'nyc-0001', fleet: 'nyc' }]);
for (;;) {
  const pictures = Array.from({ length: 6 }, () => randomBytes(20_000));
  const places = await outbox.files.append(pictures);
  const durable = pictures.map((bytes, index) => ({
    kind: index < 2 ? ('image' as const) : ('frame' as const),
    imageId: hash('sha256', bytes),
    place: places[index]!,
  }));
  const draft = (kind: 'violation' | 'telemetry') => ({ kind, observedAtMs: 1_795_605_600_000, body: {} });
  outbox.write([
    { drone: drone!, draft: draft('violation'), pictures: durable.slice(0, 2) },
    { drone: drone!, draft: draft('telemetry'), pictures: durable.slice(2) },
  ]);
  await new Promise(resolve => process.stdout.write(`${drone!.made.image} ${drone!.made.frame}\n`, resolve));
  for (let count = 0; count < 6; count++) {
    const message = outbox.take(drone!);
    if (message !== undefined) outbox.acknowledged(drone!, message);
  }
}
