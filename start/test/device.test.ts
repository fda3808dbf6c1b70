import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort, runProgram, startProgram, tempFolder, waitUntil } from '../../test/program.ts';
import { inCi } from '../../test/shared.ts';
import { assertBalanced, audit } from '../../test/survival.ts';

test('the process of one real device flies over TLS with its own password, and is audited from the ground', async t => {
  const folder = tempFolder(t);
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  try {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-keyout',
        key,
        '-out',
        cert,
        ...subject,
      ],
      { stdio: 'pipe' },
    );
  } catch (error) {
    if (inCi) throw error;
    return t.skip('making a certificate needs openssl: install it to enable');
  }
  const tlsPort = await freePort();
  const ground = {
    DATA_DIR: join(folder, 'ground'),
    BROKER_PORT: String(await freePort()),
    BROKER_TLS_PORT: String(tlsPort),
    BROKER_TLS_KEY_FILE: key,
    BROKER_TLS_CERT_FILE: cert,
  };
  const program = await startProgram(t, ['broker', 'bridge', 'archive'], ground);
  const added = await runProgram(['drone', 'add', 'kerb-7', '--fleet', 'kerb', '--json'], ground);
  const password = (JSON.parse(added.stdout) as { added: { password: string }[] }).added[0]!.password;
  writeFileSync(join(folder, 'password'), `${password}\n`, { mode: 0o600 });

  const device = {
    DATA_DIR: join(folder, 'device'),
    EDGE_DRONES: '1',
    EDGE_FLEET: 'kerb',
    EDGE_DRONE_ID: 'kerb-7',
    EDGE_TELEMETRY_INTERVAL_MS: '100',
    EDGE_DISK_RESERVE_BYTES: '0',
    MQTT_URL: `mqtts://127.0.0.1:${tlsPort}`,
    MQTT_CA_FILE: cert,
    MQTT_PASSWORD_FILE: join(folder, 'password'),
  };
  const drone = await startProgram(t, ['edge'], device);
  await waitUntil(async () => Number((await drone.health('edge'))?.detail?.acknowledged ?? 0) > 20, {
    deadlineMs: 15_000,
    what: () => `messages are acknowledged; it wrote:\n${drone.errors()}`,
  });
  assert.doesNotMatch(drone.errors() + program.errors(), new RegExp(password), 'the password is in no log line');
  assert.equal(await drone.stop(), 0, drone.errors());
  const byState = await audit(ground);
  assertBalanced(byState);
  assert.deepEqual(byState.judgedByState, ['kerb-7'], 'on the ground only its state is known');
  assert.equal(await program.stop(), 0, program.errors());
});
