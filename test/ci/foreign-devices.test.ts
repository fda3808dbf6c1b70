import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, runProgram, startProgram, tempFolder } from '../program.ts';
import { assertBalanced, audit } from '../survival.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

async function runExample(
  command: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { cwd: root, env: { PATH: process.env.PATH, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk));
  await once(child, 'close');
  return { code: child.exitCode, output };
}

test('devices written from docs/messages.md alone are acknowledged, commanded and audited', async t => {
  const env = { DATA_DIR: tempFolder(t), BROKER_PORT: String(await freePort()), EDGE_DISK_RESERVE_BYTES: '0' };
  const program = await startProgram(t, ['broker', 'bridge', 'archive'], env);
  const password = async (droneId: string) => {
    const { stdout, stderr } = await runProgram(['drone', 'add', droneId, '--fleet', 'mine', '--json'], env);
    assert.equal(stderr, '');
    return (JSON.parse(stdout) as { added: { password: string }[] }).added[0]!.password;
  };
  const [python, shell] = [await password('my-drone'), await password('shell-drone')];

  const wrong = await runExample('examples/mosquitto.sh', ['shell-drone', 'mine'], {
    MQTT_PORT: env.BROKER_PORT,
    MQTT_PASSWORD: python,
  });
  assert.notEqual(wrong.code, 0, "another drone's password is refused");

  const refused = await runExample('python3', ['examples/drone.py', 'my-drone', 'mine', '1'], {
    MQTT_PORT: env.BROKER_PORT,
    MQTT_PASSWORD: shell,
    PUBACK_S: '2',
  });
  assert.equal(refused.code, 1);
  assert.match(refused.output, /no PUBACK for state/);

  const device = runExample('python3', ['examples/drone.py', 'my-drone', 'mine', '100'], {
    MQTT_PORT: env.BROKER_PORT,
    MQTT_PASSWORD: python,
  });
  const command = await runProgram(['command', 'my-drone', 'hold', '--json'], env);
  assert.equal(command.code, 0, command.stdout + command.stderr);
  assert.equal((JSON.parse(command.stdout) as { outcome: string }).outcome, 'done');
  const { code, output } = await device;
  assert.equal(code, 0, output);
  assert.match(output, /command: hold/);
  assert.match(output, /100 telemetry and 1 violation acknowledged/);

  const sent = await runExample('examples/mosquitto.sh', ['shell-drone', 'mine'], {
    MQTT_PORT: env.BROKER_PORT,
    MQTT_PASSWORD: shell,
  });
  assert.equal(sent.code, 0, sent.output);

  const live = await audit(env);
  assertBalanced(live);
  assert.equal(live.total.acknowledged, 102, 'judged by the last state: 100 telemetry, 1 violation, 1 ack');
  assert.equal(await program.stop(), 0, program.errors());
  assertBalanced(await audit(env));
});
