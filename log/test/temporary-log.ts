import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLogger } from '../../core/logging.ts';
import type { LogRecord, RecordBatch, StoredRecord } from '../event-log.ts';
import type { EmbeddedDeps, EmbeddedEventLog } from '../event-log-embedded.ts';
import { type LogConfig, openEventLog } from '../open.ts';

const cleanUps = new WeakMap<TestContext, (() => Promise<void>)[]>();

/** Like `t.after`, the last first: what uses a folder is closed before the folder goes. */
function afterwards(t: TestContext, cleanUp: () => Promise<void>): void {
  const list = cleanUps.get(t);
  if (list !== undefined) {
    list.push(cleanUp);
    return;
  }
  const mine = [cleanUp];
  cleanUps.set(t, mine);
  t.after(async () => {
    for (const next of mine.reverse()) await next();
  });
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'prestacop-log-'));
  afterwards(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function logConfig(dataDir: string, changes: Partial<LogConfig> = {}): LogConfig {
  return {
    DATA_DIR: dataDir,
    LOG_URL: undefined,
    LOG_SEGMENT_BYTES: 64 * 1024 * 1024,
    LOG_RETAIN_BYTES: 2 ** 31,
    LOG_RETAIN_HOURS: 168,
    LOG_MAX_BYTES: 2 ** 33,
    ...changes,
  };
}

export interface OpenOptions extends Partial<EmbeddedDeps> {
  dataDir?: string;
  config?: Partial<LogConfig>;
}

/** An embedded log, by default a bridge's in a folder of its own; closed when the test ends. */
export async function openLog(
  t: TestContext,
  { dataDir, config, ...deps }: OpenOptions = {},
): Promise<EmbeddedEventLog> {
  const folder = dataDir ?? (await temporaryFolder(t));
  const log = await openEventLog(logConfig(folder, config), { logger: silentLogger, role: 'bridge', ...deps });
  afterwards(t, () => log.close());
  return log;
}

export function record(text: string, key = 'nyc-0001'): LogRecord {
  return { key, headers: { kind: 'test' }, payload: Buffer.from(text) };
}

export function records(first: number, last: number): LogRecord[] {
  return Array.from({ length: last - first + 1 }, (_, index) => record(String(first + index)));
}

export function text({ payload }: LogRecord): string {
  return Buffer.from(payload).toString();
}

/** Everything that `batches` gives until it ends, or until `count` records have come. */
export async function collect(batches: AsyncIterable<RecordBatch>, count = Number.POSITIVE_INFINITY) {
  const all: StoredRecord[] = [];
  for await (const batch of batches) {
    all.push(...batch.records);
    if (all.length >= count) break;
  }
  return all;
}

export function texts(all: readonly LogRecord[]): string[] {
  return all.map(text);
}

/** Resolves with the first value of `probe` that is not undefined or false; rejects after `deadlineMs` with what `seen` says. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await wait(2);
  }
}

export interface Appender {
  pid: number;
  /** The last number that its log acknowledged. */
  acknowledged(): number;
  /** Kill -9; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Starts `appender.ts` and resolves when it has opened the log; killed when the test ends. */
export async function startAppender(
  t: TestContext,
  dataDir: string,
  role: 'bridge' | 'other',
  perCall: number,
): Promise<Appender> {
  const script = join(import.meta.dirname, 'appender.ts');
  const child = spawn(process.execPath, [script, dataDir, role, String(perCall)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  let output = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  afterwards(t, kill);
  await eventually('the appender opens the log', () => output.includes('open\n') || child.exitCode !== null);
  if (!output.includes('open\n')) throw new Error(`the appender ended with ${child.exitCode}`);
  return { pid: child.pid!, kill, acknowledged: () => Number(/(\d+)\n[^\n]*$/.exec(output)?.[1] ?? 0) };
}
