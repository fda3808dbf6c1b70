import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';

/** A process under measurement. */
export interface Running {
  child: ChildProcess;
  rssMiB(): number;
  stop(): Promise<void>;
}

/** The programs of this repository as `npm start` runs them, by the Node that runs this one. */
export const prestacop = (...args: string[]): string[] => [
  process.execPath,
  '--max-semi-space-size=4',
  'prestacop.js',
  ...args,
];

/** Starts a command, pinned to one core where `taskset` exists. */
export function start(
  command: readonly string[],
  { core, env = {} }: { core?: number; env?: Record<string, string> },
): Running {
  const pinned = core === undefined || !hasProgram('taskset') ? command : ['taskset', '-c', String(core), ...command];
  const child = spawn(pinned[0]!, pinned.slice(1), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr!.on('data', chunk => {
    errors = (errors + chunk).slice(-4000);
  });
  child.stdout!.resume();
  child.on('exit', code => {
    if (code !== 0 && code !== null) process.stderr.write(errors);
  });
  return {
    child,
    rssMiB: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** User and system CPU seconds of a process so far, all its threads together. Linux. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function runJson<T>(command: readonly string[], env: Record<string, string> = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', chunk => {
      output += chunk;
    });
    child.on('exit', code =>
      code === 0 ? resolve(JSON.parse(output) as T) : reject(new Error(`${command.join(' ')}: exit ${code}`)),
    );
  });
}

export async function waitForPort(port: number, deadlineMs = 10_000): Promise<void> {
  const endMs = Date.now() + deadlineMs;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    if (Date.now() > endMs) throw new Error(`Nothing listens on port ${port} after ${deadlineMs} ms`);
    await wait(10);
  }
}

export function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '')
    .split(':')
    .concat('/usr/sbin')
    .some(folder => existsSync(`${folder}/${name}`));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Median and spread, as every figure is quoted. */
export function spread(values: readonly number[], digits = 2): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

export function machine(): string {
  const version = hasProgram('mosquitto')
    ? execFileSync('sh', ['-c', '/usr/sbin/mosquitto -h | head -1']).toString().trim()
    : 'no mosquitto';
  return `${cpus().length} x ${cpus()[0]!.model}, Node ${process.version}, ${version}`;
}
