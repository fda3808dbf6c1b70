import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasProgram, machine, prestacop, runJson, spread, start, waitForPort } from './process.ts';

/**
 * Durable ingest: QoS 1 telemetry of 300 bytes, 10 publishers with 100 in flight, broker + bridge + log in one process
 * pinned to one core, against mosquitto's in-memory QoS 1 without subscribers, pinned alike, in alternating runs.
 */
interface Load {
  messagesPerSecond: number;
  acknowledged: number;
  serverMicrosecondsPerMessage: number;
  generatorCpu: number;
}

const runs = Number(process.argv[2] ?? 5);
const seconds = 5;
const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));
const credentials = join(folder, 'drones.jsonl');
const env = {
  DATA_DIR: join(folder, 'data'),
  BROKER_PORT: '18831',
  OPS_PORT: '0',
  LOG_LEVEL: 'warn',
  LOG_MAX_BYTES: '64GiB',
};

async function measure(name: 'prestacop' | 'mosquitto'): Promise<Load> {
  const port = name === 'mosquitto' ? 18830 : 18831;
  const command =
    name === 'mosquitto'
      ? ['/usr/sbin/mosquitto', '-c', join(folder, 'mosquitto.conf')]
      : prestacop('start', 'broker', 'bridge');
  const server = start(command, { core: 0, env });
  try {
    await waitForPort(port);
    const args = ['--port', String(port), '--credentials', credentials, '--seconds', String(seconds)];
    // taskset replaces itself by the server, so its process id is the server's. JIT and caches warm up for four seconds.
    const watched = ['--warm-up-s', '4', '--pid', String(server.child.pid)];
    return await runJson<Load>(['taskset', '-c', '1', process.execPath, 'bench/mqtt-load.ts', ...args, ...watched]);
  } finally {
    await server.stop();
  }
}

try {
  if (!hasProgram('mosquitto') || !hasProgram('taskset'))
    throw new Error('This benchmark needs mosquitto and taskset (Debian: mosquitto, util-linux)');
  writeFileSync(
    join(folder, 'mosquitto.conf'),
    'user root\nlistener 18830 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\nset_tcp_nodelay true\n',
  );
  await runJson(prestacop('drone', 'add', '--count', '10', '--out', credentials, '--json'), env);
  const ours: Load[] = [];
  const theirs: Load[] = [];
  for (let run = 0; run < runs; run++) {
    ours.push(await measure('prestacop'));
    theirs.push(await measure('mosquitto'));
  }
  const rate = (load: Load) => load.messagesPerSecond / 1000;
  const cpu = (load: Load) => load.serverMicrosecondsPerMessage;
  process.stdout.write(`${machine()}\n`);
  process.stdout.write(
    `drones ${readFileSync(credentials, 'utf8').trim().split('\n').length}, ${runs} alternating runs of ${seconds} s\n`,
  );
  process.stdout.write(`prestacop, durable:    ${spread(ours.map(rate), 1)} thousand messages/s\n`);
  process.stdout.write(`mosquitto, in memory:  ${spread(theirs.map(rate), 1)} thousand messages/s\n`);
  process.stdout.write(
    `ratio:                 ${spread(ours.map((load, index) => rate(load) / rate(theirs[index]!)))}\n`,
  );
  process.stdout.write(`CPU, prestacop:        ${spread(ours.map(cpu))} us a message\n`);
  process.stdout.write(`CPU, mosquitto:        ${spread(theirs.map(cpu))} us a message\n`);
  process.stdout.write(
    `CPU, ratio:            ${spread(ours.map((load, index) => cpu(load) / cpu(theirs[index]!)))}\n`,
  );
  process.stdout.write(`CPU of the generator:  ${spread(ours.map(load => load.generatorCpu))} of its core\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
