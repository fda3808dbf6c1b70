import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import mqtt, { type MqttClient } from 'mqtt';
import type { RejectionReason } from '../../bridge/rejections.ts';
import { newUlid } from '../../core/ids.ts';
import { messageKinds } from '../../core/messages.ts';
import { freePort, runProgram, startProgram, tempFolder } from '../program.ts';

const [droneId, fleet] = ['bad-0001', 'bad'];
const base = `prestacop/v1/${fleet}/${droneId}`;
const day = 24 * 3600 * 1000;
const { example, maxPayloadBytes } = messageKinds.find(({ kind }) => kind === 'telemetry')!;
const epoch = newUlid(Date.now());

function telemetry(change: object): string {
  return JSON.stringify({ ...example, droneId, fleet, epoch, observedAtMs: Date.now(), ...change });
}

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const pictureMaxBytes = 1024 * 1024;
/** A picture by its first bytes, which is as far as the bridge looks. */
function jpeg(bytes: number): Buffer {
  const picture = Buffer.alloc(bytes, 'street');
  picture.writeUIntBE(0xffd8ff, 0, 3);
  return picture;
}
const [tooLarge, largest, notAPicture] = [jpeg(pictureMaxBytes + 1), jpeg(pictureMaxBytes), Buffer.from('GIF89a ...')];

/** What a drone may send by mistake, and why it is rejected; each is given its seq, so that no two have the same bytes. */
const bad: [name: string, topic: string, payload: (seq: number) => string | Buffer, reason: RejectionReason][] = [
  ['malformed JSON', 'telemetry', seq => telemetry({ seq }).slice(0, -1), 'NOT_JSON'],
  ['a wrong version', 'telemetry', seq => telemetry({ seq, v: 2 }), 'WRONG_VERSION'],
  ["another drone's id", 'telemetry', seq => telemetry({ seq, droneId: 'bad-0002' }), 'ID_MISMATCH'],
  ['another fleet', 'telemetry', seq => telemetry({ seq, fleet: 'worse' }), 'ID_MISMATCH'],
  ['a latitude out of range', 'telemetry', seq => telemetry({ seq, lat: 90.001 }), 'INVALID'],
  ['a longitude out of range', 'telemetry', seq => telemetry({ seq, lon: -180.001 }), 'INVALID'],
  ['NaN', 'telemetry', seq => telemetry({ seq, lat: 0.5 }).replace('"lat":0.5', '"lat":NaN'), 'NOT_JSON'],
  ['seconds', 'telemetry', seq => telemetry({ seq, observedAtMs: Math.round(Date.now() / 1000) }), 'TIME_IN_SECONDS'],
  ['the year 9999', 'telemetry', seq => telemetry({ seq, observedAtMs: Date.UTC(9999, 0, 1) }), 'TIME_AHEAD'],
  ['25 hours ahead', 'telemetry', seq => telemetry({ seq, observedAtMs: Date.now() + day + day / 24 }), 'TIME_AHEAD'],
  ['seq 0', 'telemetry', () => telemetry({ seq: 0 }), 'BAD_SEQ'],
  ['an unknown kind', 'weather', seq => telemetry({ seq }), 'UNKNOWN_KIND'],
  ['nothing', 'telemetry', () => '', 'EMPTY'],
  ['too much', 'telemetry', seq => telemetry({ seq, note: 'x'.repeat(maxPayloadBytes) }), 'TOO_LARGE'],
  ['a picture under the id of another', `image/${sha256('another')}`, () => largest, 'WRONG_HASH'],
  ['an empty picture', `image/${sha256('')}`, () => '', 'EMPTY'],
  ['a picture of 1 MiB and one byte', `image/${sha256(tooLarge)}`, () => tooLarge, 'TOO_LARGE'],
  ['a picture that is none', `image/${sha256(notAPicture)}`, () => notAPicture, 'NOT_A_PICTURE'],
  ['a frame under the id of another', `frame/${sha256('another')}`, () => largest, 'WRONG_HASH'],
  ['a picture without an id', 'image', () => largest, 'BAD_TOPIC'],
  ['a kind of picture that does not exist', `clip/${sha256(largest)}`, () => largest, 'UNKNOWN_KIND'],
];

async function connect(t: TestContext, env: Record<string, string>): Promise<MqttClient> {
  const { stdout, stderr } = await runProgram(['drone', 'add', droneId, '--fleet', fleet, '--json'], env);
  assert.equal(stderr, '');
  const { password } = (JSON.parse(stdout) as { added: { password: string }[] }).added[0]!;
  const options = { clientId: droneId, username: droneId, password, keepalive: 300, reconnectPeriod: 0 };
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${env.BROKER_PORT}`, { ...options, protocolVersion: 4 });
  t.after(() => client.end(true));
  return client;
}

async function query<Row>(sql: string): Promise<Row[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJS() as Row[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

test('every bad payload is acknowledged and archived as rejected with its bytes, and the good ones between them pass', async t => {
  const dataDir = tempFolder(t);
  const env = { DATA_DIR: dataDir, BROKER_PORT: String(await freePort()), EDGE_DISK_RESERVE_BYTES: '0' };
  const program = await startProgram(t, ['broker', 'bridge', 'archive'], env);
  const client = await connect(t, env);
  const broken = new Promise<never>((_, reject) => {
    client.once('close', () => reject(new Error(`the connection was closed; the program wrote:\n${program.errors()}`)));
  });
  broken.catch(() => {}); // once all is sent the client closes it
  // Resolves with the PUBACK.
  const publish = (kind: string, payload: string | Buffer) =>
    Promise.race([client.publishAsync(`${base}/${kind}`, payload, { qos: 1 }), broken]);

  const sent: { name: string; topic: string; payload: string; reason: string }[] = []; // bytes as hex
  const good: string[] = [];
  for (const [index, [name, kind, payloadOf, reason]] of bad.entries()) {
    const payload = payloadOf(2 * index + 1);
    await publish(kind, payload);
    sent.push({ name, topic: `${base}/${kind}`, payload: Buffer.from(payload).toString('hex'), reason });
    good.push(telemetry({ seq: 2 * index + 2 }));
    await publish('telemetry', good.at(-1)!);
  }
  await publish(`image/${sha256(largest)}`, largest);
  assert.equal((await program.health('bridge'))?.ok, true);
  await client.endAsync();
  assert.equal(await program.stop(), 0, program.errors());

  const rejected = await query<{ topic: string; payload: Uint8Array; reason: string }>(
    `select topic, payload, reason from read_parquet('${dataDir}/archive/rejected/**/*.parquet') order by "offset"`,
  );
  assert.deepEqual(
    rejected.map(({ topic, payload, reason }, index) => ({
      name: bad[index]?.[0],
      topic,
      payload: Buffer.from(payload).toString('hex'),
      reason,
    })),
    sent,
  );
  const archived = await query<{ payload: Uint8Array }>(
    `select payload from read_parquet('${dataDir}/archive/telemetry/**/*.parquet') order by "offset"`,
  );
  assert.deepEqual(
    archived.map(({ payload }) => Buffer.from(payload).toString()),
    good,
  );
  const [picture] = await query<{ pack: string; position: bigint; length: number }>(
    `select pack, position, length from read_parquet('${dataDir}/archive/image/**/*.parquet')`,
  );
  const pack = readFileSync(join(dataDir, picture!.pack));
  const position = Number(picture!.position);
  assert.deepEqual(pack.subarray(position, position + picture!.length), largest, 'the largest picture allowed');
});
