import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfigProblem, describeConfig, parseConfig } from '../config.ts';
import { AppError } from '../errors.ts';
import { settings } from '../settings.ts';

function problemsOf(env: Record<string, string>): ConfigProblem[] {
  try {
    parseConfig(env, () => {
      throw new Error('no such file');
    });
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'CONFIG_INVALID');
    return error.detail.problems as ConfigProblem[];
  }
  return [];
}

test('an empty environment gives the defaults, and an empty variable is an unset one', () => {
  const { config, chosen } = parseConfig({ BROKER_PORT: '' });
  assert.equal(config.BROKER_PORT, 1883);
  assert.equal(config.EDGE_DRONES, 20);
  assert.equal(config.BROKER_WS_PORT, undefined);
  assert.equal(config.LOG_SEGMENT_BYTES, 64 * 1024 * 1024);
  assert.equal(chosen.size, 0);
});

test('every default is a value that the setting itself accepts', () => {
  for (const [name, { defaultText, parse }] of Object.entries(settings)) {
    assert.doesNotThrow(() => parse(defaultText), name);
  }
});

test('all problems are listed at once, each with variable, value and what is allowed', () => {
  const problems = problemsOf({
    BROKER_PORT: '70000',
    EDGE_DRONES: 'many',
    LOG_URL: 'http://x',
    LOG_SEGMENT_BYTES: '1KB',
  });
  assert.deepEqual(
    problems.map(({ variable, value }) => `${variable}=${value}`),
    ['EDGE_DRONES=many', 'BROKER_PORT=70000', 'LOG_URL=http://x', 'LOG_SEGMENT_BYTES=1KB'],
  );
  assert.match(problems[0]!.allowed, /from 0 to 10000/);
  assert.match(problems[3]!.allowed, /64MiB/);
});

test('an unknown variable with a stage prefix is refused with the nearest name; others are not ours', () => {
  const [problem, ...more] = problemsOf({ BROKER_PROT: '1', PATH: '/bin', LOGNAME: 'x' });
  assert.equal(problem!.variable, 'BROKER_PROT');
  assert.match(problem!.allowed, /nearest is BROKER_PORT/);
  assert.deepEqual(more, []);
});

test('a secret comes from its variable or its file, never from both, and is masked', () => {
  const { config } = parseConfig({ MQTT_PASSWORD_FILE: '/run/secret' }, () => 'swordfish\n');
  assert.equal(config.MQTT_PASSWORD, 'swordfish');
  assert.match(describeConfig(config), /^MQTT_PASSWORD=\*\*\*$/m);
  assert.doesNotMatch(describeConfig(config), /swordfish/);
  assert.equal(problemsOf({ MQTT_PASSWORD_FILE: '/nowhere' })[0]!.variable, 'MQTT_PASSWORD_FILE');
  assert.throws(() => parseConfig({ MQTT_PASSWORD: 'a', MQTT_PASSWORD_FILE: 'b' }, () => 'c'), /only one of/);
});

test('a URL with a password in it is refused: URLs may be logged', () => {
  assert.equal(problemsOf({ MQTT_URL: 'mqtt://me:secret@host' }).length, 1);
  assert.equal(parseConfig({ MQTT_URL: 'mqtts://host:8883' }).config.MQTT_URL, 'mqtts://host:8883');
});

test('settings that need each other are checked together', () => {
  const problems = problemsOf({ BROKER_TLS_PORT: '8883', ARCHIVE_RUN_WINDOW_SECONDS: '7000' });
  assert.deepEqual(
    problems.map(({ variable }) => variable),
    ['BROKER_TLS_KEY_FILE', 'BROKER_TLS_CERT_FILE', 'ARCHIVE_RUN_WINDOW_SECONDS'],
  );
});
