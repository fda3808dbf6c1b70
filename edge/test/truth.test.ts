import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { startBroker } from './broker.ts';
import { fly } from './fly.ts';
import { fleetPath } from './pictures.ts';
import { eventually } from './world.ts';

test("what each violation was stands in the simulator's ledger alone, and the drones' answers score against it", async t => {
  const broker = await startBroker(t);
  const { edge, dataDir } = await fly(t, broker, { EDGE_UNQUALIFIED_PCT: '30' });
  const violations = () => broker.received.filter(({ kind }) => kind === 'violation').map(({ body }) => body);
  await eventually('enough violations', () => violations().length >= 60, violations);
  await edge.stop();

  const ledger = new DatabaseSync(fleetPath(dataDir), { readOnly: true });
  t.after(() => ledger.close());
  const truthOf = ledger.prepare('select code, remedy from truth where drone_id = ? and epoch = ? and seq = ?');
  let sure = 0;
  let right = 0;
  for (const { droneId, epoch, seq, code, candidates, ...rest } of violations()) {
    assert.ok(!('truth' in rest || 'remedy' in rest));
    const truth = truthOf.get(droneId as string, epoch as string, seq as number);
    assert.ok(truth !== undefined, `the ledger knows violation ${seq} of ${droneId}`);
    assert.equal(truth.remedy === null, code !== undefined, 'only what was not qualified needs a remedy');
    if (code === undefined) continue;
    sure++;
    if (code === truth.code) right++;
  }
  assert.ok(sure > 20 && right / sure > 0.9, `${right} of ${sure} right`);
});
