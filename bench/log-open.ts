import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseConfig } from '../core/config.ts';
import { silentLogger } from '../core/logging.ts';
import { createMetrics } from '../core/metrics.ts';
import { openEventLog } from '../log/open.ts';
import { machine, spread } from './process.ts';

/** Opening an embedded log of 1 GiB after kill -9 of its writer. Bar: 2 s. The floor reads the newest segment once. */
const { config } = parseConfig(process.env);
const deps = { logger: silentLogger, metrics: createMetrics(), role: 'bridge' as const };

if (process.argv[2] === 'write') {
  const log = await openEventLog(config, deps);
  const records = Array.from({ length: 2000 }, () => ({
    key: 'nyc-0001',
    headers: { kind: 'telemetry' },
    payload: Buffer.alloc(480, 1),
  }));
  process.stdout.write('ready\n');
  for (;;) await log.append('telemetry', records);
}

const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));
const logFolder = join(folder, 'log', 'telemetry', '0');
const bytesHeld = () => {
  try {
    return readdirSync(logFolder).reduce((sum, name) => sum + statSync(join(logFolder, name)).size, 0);
  } catch {
    return 0;
  }
};

try {
  const timesMs: number[] = [];
  let targetBytes = 2 ** 30;
  for (let run = 0; run < 3; run++) {
    const writer = spawn(process.execPath, [import.meta.filename, 'write'], {
      env: { ...process.env, DATA_DIR: folder },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    while (bytesHeld() < targetBytes) await new Promise(resolve => setTimeout(resolve, 20));
    targetBytes = bytesHeld() + 16 * 1024 * 1024;
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const beginMs = performance.now();
    const log = await openEventLog({ ...config, DATA_DIR: folder }, deps);
    timesMs.push(performance.now() - beginMs);
    const [ends] = await log.ends('telemetry');
    if (ends?.end === 0n) throw new Error('the log came back empty');
    await log.close();
  }
  process.stdout.write(
    `${machine()}\nlog of ${(bytesHeld() / 2 ** 30).toFixed(2)} GiB, opened after kill -9: ${spread(timesMs, 0)} ms, bar 2000\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
