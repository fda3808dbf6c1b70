import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The program itself in a process of its own, as a user starts it. */
export interface Program {
  child: ChildProcess;
  opsPort: number;
  /** The stage's `/health` as it is now; undefined when nobody answers. */
  health(stage: string): Promise<{ ok: boolean; problem?: string; detail?: Record<string, unknown> } | undefined>;
  /** SIGKILL: nothing is flushed, nothing is said. */
  kill9(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** What it wrote to standard error so far, at most the last 64 KiB. */
  errors(): string;
}

export function tempFolder(t: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'prestacop-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** Only what a test sets: the settings of whoever runs the tests must not change them. */
function environment(env: Record<string, string>): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR, ...env };
}

/** `prestacop start STAGES`; resolves when /readyz says so, rejects with its errors when it ends or takes too long. */
export async function startProgram(
  t: Pick<TestContext, 'after'>,
  stages: readonly string[],
  env: Record<string, string>,
): Promise<Program> {
  const opsPort = await freePort();
  const child = spawn(process.execPath, ['--max-semi-space-size=4', 'prestacop.js', 'start', ...stages], {
    cwd: root,
    env: environment({ OPS_PORT: String(opsPort), ...env }),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', chunk => {
    errors = (errors + chunk).slice(-65_536);
  });
  const running = () => child.exitCode === null && child.signalCode === null;
  const end = async (signal: NodeJS.Signals) => {
    if (running()) {
      child.kill(signal);
      await once(child, 'exit');
    }
    return child.exitCode;
  };
  t.after(() => end('SIGKILL'));
  const get = (path: string) => fetch(`http://127.0.0.1:${opsPort}${path}`).catch(() => undefined);
  await waitUntil(
    async () => {
      if (!running()) throw new Error(`prestacop start ended with ${child.exitCode ?? child.signalCode}:\n${errors}`);
      return (await get('/readyz'))?.status === 200;
    },
    { deadlineMs: 20_000, what: () => `ready; it wrote:\n${errors}` },
  );
  return {
    child,
    opsPort,
    errors: () => errors,
    health: async stage => (await get(`/health/${stage}`))?.json() as ReturnType<Program['health']>,
    kill9: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
}

/** Runs `prestacop ARGS` to its end. */
export async function runProgram(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['prestacop.js', ...args], {
    cwd: root,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

/** Waits for a condition, with a deadline and what was waited for in the error. */
export async function waitUntil(
  condition: () => Promise<boolean> | boolean,
  { deadlineMs, what }: { deadlineMs: number; what: () => string },
): Promise<void> {
  const endMs = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`Not within ${deadlineMs} ms: ${what()}`);
    await wait(25);
  }
}
