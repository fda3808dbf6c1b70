import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ConnectRequest, grantFor, judgeConnect, mayPublish, maySubscribe } from '../access.ts';

const grant = grantFor({ id: '01JD0000000000000000000000', fleet: 'nyc', droneId: 'nyc-0001' });

test('a drone publishes under its own fleet and id, whatever the kind, and nowhere else', () => {
  for (const topic of ['telemetry', 'state', 'image/00', 'no-such-kind', '']) {
    assert.ok(mayPublish(grant, `prestacop/v1/nyc/nyc-0001/${topic}`), topic);
  }
  for (const topic of [
    'prestacop/v1/nyc/nyc-0001',
    'prestacop/v1/nyc/nyc-00010/telemetry',
    'prestacop/v1/nyc/nyc-0002/telemetry',
    'prestacop/v1/lon/nyc-0001/telemetry',
    'prestacop/v2/nyc/nyc-0001/telemetry',
    '/prestacop/v1/nyc/nyc-0001/telemetry',
    '$SYS/broker/heartbeat',
    '',
  ]) {
    assert.ok(!mayPublish(grant, topic), topic);
  }
});

test('a drone subscribes to exactly its own commands', () => {
  assert.ok(maySubscribe(grant, 'prestacop/v1/nyc/nyc-0001/command'));
  for (const filter of [
    '#',
    '+/+/+/+/command',
    'prestacop/v1/nyc/nyc-0001/#',
    'prestacop/v1/nyc/nyc-0001/+',
    'prestacop/v1/nyc/+/command',
    'prestacop/v1/nyc/nyc-0002/command',
    'prestacop/v1/nyc/nyc-0001/telemetry',
    '$share/group/prestacop/v1/nyc/nyc-0001/command',
    '$SYS/#',
  ]) {
    assert.ok(!maySubscribe(grant, filter), filter);
  }
});

test('no topic that one drone may use is open to another', () => {
  const id = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);
  fc.assert(
    fc.property(id, id, id, id, (fleet, droneId, otherFleet, otherId) => {
      fc.pre(fleet !== otherFleet || droneId !== otherId);
      const other = grantFor({ id: '', fleet: otherFleet, droneId: otherId });
      const own = grantFor({ id: '', fleet, droneId });
      assert.ok(!mayPublish(other, `${own.publishPrefix}telemetry`));
      assert.ok(!maySubscribe(other, own.commandTopic));
    }),
  );
});

const right: ConnectRequest = {
  clientId: 'nyc-0001',
  username: 'nyc-0001',
  password: Buffer.from('right'),
  keepaliveSeconds: 300,
  willTopic: 'prestacop/v1/nyc/nyc-0001/state',
};
const rules = {
  keepaliveMaxSeconds: 1200,
  accepting: () => true,
  authenticate: (droneId: string, password: Uint8Array) =>
    droneId === 'nyc-0001' && Buffer.from(password).toString() === 'right' ? { fleet: 'nyc' } : undefined,
};

test('a CONNECT is judged by id, keep-alive, user name, password and will, each with its return code', () => {
  const cases: [Partial<ConnectRequest>, { fleet: string } | number][] = [
    [{}, { fleet: 'nyc' }],
    [{ username: undefined, willTopic: undefined }, { fleet: 'nyc' }],
    [{ clientId: '' }, 2],
    [{ clientId: 'NYC-0001', username: undefined }, 2],
    [{ clientId: '__proto__', username: undefined }, 2],
    [{ keepaliveSeconds: 0 }, 2],
    [{ keepaliveSeconds: 1201 }, 2],
    [{ username: 'nyc-0002' }, 4],
    [{ password: undefined }, 4],
    [{ password: Buffer.from('wrong') }, 4],
    [{ clientId: 'constructor', username: undefined, willTopic: undefined }, 4],
    [{ willTopic: 'prestacop/v1/nyc/nyc-0002/state' }, 5],
    [{ willTopic: 'prestacop/v1/lon/nyc-0001/state' }, 5],
    [{ willTopic: 'prestacop/v1/nyc/nyc-0001/telemetry' }, 5],
    [{ willTopic: '' }, 5],
  ];
  for (const [change, verdict] of cases) {
    assert.deepEqual(judgeConnect({ ...right, ...change }, rules), verdict, JSON.stringify(change));
  }
});

test('B6: while the log takes nothing every CONNECT gets return code 3, and no password is looked at', () => {
  const authenticate = () => assert.fail('asked for a password');
  assert.equal(judgeConnect(right, { ...rules, accepting: () => false, authenticate }), 3);
});
