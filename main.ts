import { parseConfig } from './core/config.ts';
import { AppError } from './core/errors.ts';
import { createLogger } from './core/logging.ts';
import type { EventLog } from './log/event-log.ts';

/** A word of the command line. `run` gives the exit code: 0 done, 1 failed, 2 wrong use or configuration. */
interface Command {
  usage: string;
  run(args: string[], context: ReturnType<typeof createContext>): Promise<number>;
}

const commands: Record<string, { summary: string; load: () => Promise<Command> }> = {
  start: { summary: 'run the stages: drones, broker, bridge, archive', load: () => import('./start/command.ts') },
  audit: { summary: 'prove that nothing was lost, or name what was', load: () => import('./cloud/audit/command.ts') },
  evidence: { summary: 'get one picture back by its id', load: () => import('./cloud/evidence/command.ts') },
  drone: { summary: 'give a drone a password, or take it back', load: () => import('./bridge/commands/drone.ts') },
  command: { summary: 'send a command to a drone', load: () => import('./bridge/commands/command.ts') },
};

const usage = `Usage: prestacop COMMAND [options]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}\n`)
  .join('')}
"prestacop COMMAND --help" tells more. Settings are environment variables: docs/config.md
`;

const sameSignalMs = 300;

/** Runs one command line and sets the process's exit code. */
export async function main(args: string[]): Promise<void> {
  process.exitCode = await runCommand(args).catch((error: unknown) => {
    process.stderr.write(`${describe(error)}\n`);
    return error instanceof AppError && error.misuse ? 2 : 1;
  });
  // The work is done: whatever a stop that was not clean left open must not keep the process.
  setTimeout(() => process.exit(), 1000).unref();
}

async function runCommand(args: string[]): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
    process.stdout.write(usage);
    return word === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(commands, word) ? await commands[word]!.load() : undefined;
  if (command === undefined) {
    process.stderr.write(`There is no command "${word}".\n\n${usage}`);
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(command.usage);
    return 0;
  }
  const context = createContext();
  try {
    return await command.run(rest, context);
  } finally {
    await context.close();
  }
}

/** What commands get of the outside world: nobody else reads the environment or hears signals. */
function createContext() {
  const { config, chosen } = parseConfig(process.env);
  // For @napi-rs/canvas, when it is loaded: finding the system's fonts costs 300 ms and 13 MiB; scenes bring their own.
  process.env.DISABLE_SYSTEM_FONTS_LOAD = '1';
  const abort = new AbortController();
  let firstAtMs: number | undefined;
  const onSignal = () => {
    // npm sends a terminal's Ctrl-C on to its child, which had it already: two at once are one.
    firstAtMs ??= Date.now();
    if (Date.now() - firstAtMs > sameSignalMs) process.exit(130);
    abort.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const logger = createLogger(config.LOG_LEVEL);
  let log: EventLog | undefined;
  return {
    config,
    chosen,
    logger,
    signal: abort.signal,
    stdout: process.stdout,
    stderr: process.stderr,
    /** The event log as a command uses it: it hands the log over to a bridge that starts, and is closed when the command ends. */
    async openLog(): Promise<EventLog> {
      const { openEventLog } = await import('./log/open.ts');
      log ??= await openEventLog(config, { logger, role: 'other' });
      return log;
    },
    async openObjects() {
      const { openObjectStore } = await import('./cloud/archive/open.ts');
      return openObjectStore(config);
    },
    async close(): Promise<void> {
      await log?.close();
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}

function describe(error: unknown): string {
  // What the file system refuses is told in its own words: they hold the path.
  if (error instanceof Error && 'syscall' in error && 'path' in error) return error.message;
  if (!(error instanceof AppError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const cause = error.cause instanceof Error ? `\n  because: ${error.cause.message}` : '';
  return `${error.message}${cause}`;
}
