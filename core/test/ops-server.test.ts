import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '../errors.ts';
import { createMetrics } from '../metrics.ts';
import { startOpsServer } from '../ops-server.ts';
import type { Health, Service } from '../service.ts';

function stage(name: string, health: () => Health): Service {
  return { name, health, closed: new Promise(() => {}), stop: async () => {} };
}

test('livez, readyz, health and metrics say what the stages say at that moment', async t => {
  let well = true;
  let ready = false;
  let count = 0;
  const metrics = createMetrics();
  metrics.counter('prestacop_test_total', 'A test.', () => count);
  metrics.gauge('prestacop_test_by_reason', 'By reason.', () => [
    [{ reason: 'A' }, 1] as const,
    [{ reason: 'B' }, count] as const,
  ]);
  const stages = [
    stage('bridge', () => (well ? { ok: true, detail: { offset: 5n } } : { ok: false, problem: 'disk full' })),
  ];
  const ops = await startOpsServer(
    { OPS_HOST: '127.0.0.1', OPS_PORT: 0, portIsDefault: true },
    { metrics, stages: () => stages, ready: () => ready },
  );
  t.after(() => ops.stop());
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${ops.port}${path}`);
    return { status: response.status, body: await response.text() };
  };

  assert.equal((await get('/livez')).status, 200);
  assert.equal((await get('/readyz')).status, 503, 'not ready before every stage has started');
  ready = true;
  assert.equal((await get('/readyz')).status, 200);
  assert.deepEqual(JSON.parse((await get('/health')).body), {
    ok: true,
    stages: { bridge: { ok: true, detail: { offset: 5 } } },
  });
  assert.equal((await get('/nothing')).status, 404);

  well = false;
  assert.equal((await get('/readyz')).status, 503);
  assert.equal((await get('/livez')).status, 200, 'a sick stage is no reason to kill the process');
  const bridge = await get('/health/bridge');
  assert.equal(bridge.status, 503);
  assert.match(bridge.body, /disk full/);

  count = 7;
  const { body } = await get('/metrics');
  assert.match(body, /^prestacop_test_total 7$/m);
  assert.match(body, /^prestacop_test_by_reason\{reason="B"\} 7$/m);
  count = 9;
  assert.match((await get('/metrics')).body, /^prestacop_test_total 9$/m);
});

test('a taken default port gives the next free one, a taken chosen port is an error that names OPS_PORT', async t => {
  const blocker = createServer();
  await new Promise<void>(resolve => blocker.listen(0, '127.0.0.1', resolve));
  t.after(() => blocker.close());
  const { port } = blocker.address() as { port: number };
  const deps = { metrics: createMetrics(), stages: () => [], ready: () => true };
  const ops = await startOpsServer({ OPS_HOST: '127.0.0.1', OPS_PORT: port, portIsDefault: true }, deps);
  t.after(() => ops.stop());
  assert.ok(ops.port > port);
  await assert.rejects(
    startOpsServer({ OPS_HOST: '127.0.0.1', OPS_PORT: port, portIsDefault: false }, deps),
    error => hasCode(error, 'OPS_LISTEN_FAILED') && /OPS_PORT/.test(error.message),
  );
});
