import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';
import { freePort, runProgram, startProgram, tempFolder, waitUntil } from '../../test/program.ts';
import { assertBalanced, audit, busyEnvironment } from '../../test/survival.ts';

async function quietEnvironment(t: TestContext): Promise<Record<string, string>> {
  return { DATA_DIR: tempFolder(t), BROKER_PORT: String(await freePort()), EDGE_DISK_RESERVE_BYTES: '0' };
}

async function addDrone(droneId: string, fleet: string, env: Record<string, string>): Promise<string> {
  const { stdout, stderr, code } = await runProgram(['drone', 'add', droneId, '--fleet', fleet, '--json'], env);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as { added: { password: string }[] }).added[0]!.password;
}

function connect(droneId: string, password: string, env: Record<string, string>) {
  return mqtt.connectAsync(`mqtt://127.0.0.1:${env.BROKER_PORT}`, {
    clientId: droneId,
    username: droneId,
    password,
    reconnectPeriod: 0,
  });
}

test('everything in one process: messages of drones reach Parquet files, and the audit balances live and after the stop', async t => {
  const env = await busyEnvironment(tempFolder(t));
  const program = await startProgram(t, [], env);
  await waitUntil(async () => Number((await program.health('archive'))?.detail?.recordsArchived ?? 0) > 100, {
    deadlineMs: 20_000,
    what: () => `records are archived; it wrote:\n${program.errors()}`,
  });
  assertBalanced(await audit(env));
  assert.equal(statSync(join(env.DATA_DIR!, 'edge', 'credentials.jsonl')).mode & 0o777, 0o600);
  const beganMs = Date.now();
  assert.equal(await program.stop(), 0, program.errors());
  assert.ok(Date.now() - beganMs < 15_000, 'a clean stop within 15 s');
  const after = await audit(env);
  assertBalanced(after);
  assert.equal(after.total.inLog, 0, 'the readers have drained to the end');
  assert.equal(after.total.archived, after.total.acknowledged);
});

test('a Ctrl-C while the stages start stops them as soon as they have', async t => {
  const env = await quietEnvironment(t);
  const child = spawn(process.execPath, ['prestacop.js', 'start'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env.PATH, OPS_PORT: '0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.on('data', chunk => {
    errors += chunk;
    if (/"stage":"log"/.test(errors) && !child.killed) child.kill('SIGINT');
  });
  await waitUntil(() => child.exitCode !== null, { deadlineMs: 15_000, what: () => `it ends; it wrote:\n${errors}` });
  assert.equal(child.exitCode, 0, errors);
});

test('a second Ctrl-C ends the process at once', async t => {
  const env = await busyEnvironment(tempFolder(t));
  const ground = await startProgram(t, ['broker', 'bridge'], env);
  const edge = await startProgram(t, ['edge'], env);
  await waitUntil(async () => Number((await edge.health('edge'))?.detail?.acknowledged ?? 0) > 0, {
    deadlineMs: 10_000,
    what: edge.errors,
  });
  ground.child.kill('SIGSTOP'); // the edge's stop now waits for PUBACKs that do not come
  t.after(() => ground.child.kill('SIGCONT'));
  edge.child.kill('SIGINT');
  await wait(500); // longer apart than npm's copy of one Ctrl-C
  const beganMs = Date.now();
  edge.child.kill('SIGINT');
  if (edge.child.exitCode === null) await once(edge.child, 'exit');
  assert.equal(edge.child.exitCode, 130);
  assert.ok(Date.now() - beganMs < 1000);
});

test('a revoked drone is cut off within two seconds, and one with a new password must use it', async t => {
  const env = await quietEnvironment(t);
  const program = await startProgram(t, ['broker', 'bridge'], env);
  const first = await addDrone('tail-1', 'kite', env);
  const client = await connect('tail-1', first, env);
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()));
  const second = await addDrone('tail-1', 'kite', env);
  await closed;
  await assert.rejects(connect('tail-1', first, env), /Not authorized|Bad username/i);

  const again = await connect('tail-1', second, env);
  const cut = new Promise<void>(resolve => again.once('close', () => resolve()));
  const beganMs = Date.now();
  const { code } = await runProgram(['drone', 'revoke', 'tail-1'], env);
  assert.equal(code, 0);
  const commandMs = Date.now() - beganMs;
  await cut;
  assert.ok(Date.now() - beganMs - commandMs < 2000);
  await assert.rejects(connect('tail-1', second, env), /Not authorized|Bad username/i);

  const out = join(env.DATA_DIR!, 'more.jsonl');
  const many = () => runProgram(['drone', 'add', '--count', '2', '--fleet', 'kite', '--out', out], env);
  assert.equal((await many()).code, 0);
  const before = readFileSync(out, 'utf8');
  assert.equal((await many()).code, 2, 'a file with passwords is never overwritten');
  assert.equal(readFileSync(out, 'utf8'), before);

  const other = await runProgram(['drone', 'add', 'tail-2', '--fleet', 'kite'], env);
  assert.equal(other.code, 0);
  const taken = await runProgram(['drone', 'add', 'tail-2', '--fleet', 'gull'], env);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /belongs to the fleet kite/);
  assert.equal(await program.stop(), 0, program.errors());
});

test('a revoked drone of the embedded fleet stays revoked over a restart', async t => {
  const env = { ...(await quietEnvironment(t)), EDGE_DRONES: '2' };
  const first = await startProgram(t, [], env);
  assert.equal((await runProgram(['drone', 'revoke', 'nyc-0001'], env)).code, 0);
  assert.equal(await first.stop(), 0, first.errors());
  const second = await startProgram(t, [], env);
  await waitUntil(() => /"droneId":"nyc-0001".*refuses the drone/.test(second.errors()), {
    deadlineMs: 10_000,
    what: () => `the drone says that it is refused; it wrote:\n${second.errors()}`,
  });
  assert.equal((await second.health('bridge'))?.detail?.drones, 1);
  assert.equal(await second.stop(), 0, second.errors());
});

test('a fleet with its own format is numbered like any other, and what its adapter cannot read is rejected', async t => {
  const env = { ...(await quietEnvironment(t)), BRIDGE_ADAPTERS: 'kite=compact' };
  const program = await startProgram(t, ['broker', 'bridge', 'archive'], env);
  const client = await connect('tail-1', await addDrone('tail-1', 'kite', env), env);
  const epoch = '01K0N1V7Z0J8Q4S6T2W9X3Y5AB';
  const nowS = Date.now() / 1000;
  for (let seq = 1; seq <= 20; seq++) {
    const line = `${epoch},${seq},${nowS.toFixed(3)},40.75,-73.98,100,10,90,55`;
    await client.publishAsync('prestacop/v1/kite/tail-1/telemetry', line, { qos: 1 });
  }
  await client.publishAsync('prestacop/v1/kite/tail-1/telemetry', 'not,nine,fields', { qos: 1 });
  await client.endAsync();
  assert.equal(await program.stop(), 0, program.errors());
  const result = await audit(env);
  assert.deepEqual(result.unjudged, [{ droneId: 'tail-1', epoch, kind: 'telemetry', seen: 20 }]);
  assert.equal(result.unreadable.length, 1, 'the rejected line, beside its drone (P2)');
});

test('what cannot work is refused with the reason and exit code 2, before anything starts', async t => {
  const env = { DATA_DIR: join(tempFolder(t), 'none') };
  const cases: [args: string[], env: Record<string, string>, reason: RegExp][] = [
    [['start', 'bridge'], {}, /add "broker"/],
    [['start', 'brigde'], {}, /There is no stage "brigde"/],
    [['start', '--chekc'], {}, /Unknown option/],
    [['start'], { BROKER_PORT: 'x', EDGE_DRONE: '1' }, /BROKER_PORT=x[\s\S]*EDGE_DRONE=1/],
    [['audti'], {}, /There is no command "audti"/],
    [['drone', 'add'], {}, /ID or --count/],
    [['command', 'nyc-0001', 'dance'], {}, /hold, resume/],
    [['audit', '--jsno'], {}, /Unknown option/],
    [['audit'], {}, /DATA_DIR .* does not exist/],
    [['command', 'nyc-0001', 'config'], {}, /--violations/],
    [['drone', 'add', 'x'], { LOG_URL: 'kafka://127.0.0.1:9092' }, /LOG_URL/],
  ];
  const results = await Promise.all(cases.map(([args, more]) => runProgram(args, { ...env, ...more })));
  results.forEach(({ code, stderr }, index) => {
    assert.equal(code, 2, `${cases[index]![0].join(' ')}: ${stderr}`);
    assert.match(stderr, cases[index]![2]);
  });
  assert.throws(() => statSync(env.DATA_DIR), { code: 'ENOENT' });
});
