import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../errors.ts';
import { type Service, serviceLife, stopAll } from '../service.ts';

function service(name: string, shutDown: () => Promise<void>): Service & { failed(error: Error): void } {
  return { name, health: () => ({ ok: true }), ...serviceLife(shutDown) };
}

test('services stop one after the other in the order given, also after one failed to', async () => {
  const stopped: string[] = [];
  const bad = service('bad', async () => {
    stopped.push('bad');
    throw new Error('stuck');
  });
  const good = service('good', async () => void stopped.push('good'));
  await assert.rejects(stopAll([bad, good], 1000), /stuck/);
  assert.deepEqual(stopped, ['bad', 'good']);
  assert.match(String(await bad.closed), /stuck/);
  assert.equal(await good.closed, undefined);
});

test('one deadline holds for all, and names those still running', async () => {
  const hanging = service('hanging', () => new Promise(() => {}));
  await assert.rejects(
    stopAll([hanging], 20),
    error => hasCode(error, 'SERVICE_STOP_TIMEOUT') && /hanging/.test(error.message),
  );
});

test('closed tells what brought a service down, and stopping twice shuts down once', async () => {
  let times = 0;
  const one = service('one', async () => void times++);
  one.failed(new Error('disk on fire'));
  assert.match(String(await one.closed), /disk on fire/);
  await one.stop();
  assert.equal(times, 1);
});
