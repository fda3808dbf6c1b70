import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageKinds } from '../../core/messages.ts';
import { OpenCommands } from '../open-commands.ts';

const example = (kind: string) => messageKinds.find(entry => entry.kind === kind)!.example!;
const record = (message: object) => ({ key: '', headers: {}, payload: Buffer.from(JSON.stringify(message)) });
const command = example('command') as { droneId: string; commandId: string; expiresAtMs: number };
const beforeMs = command.expiresAtMs - 1;

test('B8: a command is open until its ack, whatever the outcome', () => {
  const commands = new OpenCommands();
  assert.equal(commands.apply(record(command))?.topic, 'prestacop/v1/nyc/nyc-0007/command');
  assert.deepEqual(
    commands.of(command.droneId, beforeMs).map(({ commandId }) => commandId),
    [command.commandId],
  );
  commands.apply(record({ ...example('ack'), outcome: 'refused' }));
  assert.deepEqual(commands.of(command.droneId, beforeMs), []);
});

test("B8: an ack in a fleet's own format closes the command by what its adapter made of it", () => {
  const commands = new OpenCommands();
  commands.apply(record(command));
  commands.apply({ key: '', headers: { message: JSON.stringify(example('ack')) }, payload: Buffer.from([1, 2]) });
  assert.equal(commands.all(beforeMs).length, 0);
});

test('B8: an expired command is not sent any more', () => {
  const commands = new OpenCommands();
  commands.apply(record(command));
  assert.equal(commands.all(command.expiresAtMs).length, 0);
});

test('records that are neither command nor ack change nothing', () => {
  const commands = new OpenCommands();
  for (const payload of ['', 'null', '{"v":1}', '{"commandId":1}']) {
    assert.equal(commands.apply({ key: '', headers: {}, payload: Buffer.from(payload) }), undefined);
  }
  assert.equal(commands.all(0).length, 0);
});
