/** Writes and acknowledges as fast as it can, saying each number and content once it is on disk, until it is killed. */
import { openOutbox } from '../outbox.ts';

const outbox = openOutbox(process.argv[2]!, { maxBytes: 1e9 });
const [drone] = outbox.addDrones([{ droneId: 'nyc-0001', fleet: 'nyc' }]);
for (;;) {
  const before = drone!.made.telemetry;
  const notes = Array.from({ length: 5 }, (_, index) => `${process.pid}-${before + index + 1}`);
  outbox.write(
    notes.map(note => ({
      drone: drone!,
      draft: { kind: 'telemetry', observedAtMs: 1_795_605_600_000, body: { note } },
    })),
  );
  const lines = notes.map((note, index) => `${before + index + 1} ${note}\n`).join('');
  await new Promise(resolve => process.stdout.write(lines, resolve));
  for (let count = 0; count < 4; count++) {
    const message = outbox.take(drone!);
    if (message !== undefined) outbox.acknowledged(drone!, message);
  }
}
