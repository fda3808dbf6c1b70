import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Config, describeConfig } from '../core/config.ts';
import { createLogger, type Logger } from '../core/logging.ts';
import { selectStages, stageNames, startErrors } from './selection.ts';
import { type Stages, startStages } from './stages.ts';
import { createSummary, describeSummary } from './summary.ts';
import { createStatusLine } from './terminal.ts';

export const usage = `Usage: prestacop start [STAGE ...] [--check]

Starts the stages in this process, all of them when none is named: ${stageNames.join(' ')}
"start edge" flies only the drones, "start broker bridge archive" runs everything else.

  --check   print the effective configuration, secrets masked, and exit

Settings are environment variables: docs/config.md. Ctrl-C stops cleanly; a second one at once.
`;

/** Settings of stages to come: known, so that they are no typing mistakes. */
const unusedSettings = ['METRICS_URL', 'METRICS_TOKEN', 'CONSOLE_HOST', 'CONSOLE_PORT', 'CONSOLE_KEY'] as const;
const stopDeadlineMs = 15_000;
const lineIntervalMs = 1000;
const logIntervalMs = 60_000;

interface Context {
  config: Config;
  chosen: ReadonlySet<keyof Config>;
  stdout: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  signal: AbortSignal;
}

/** Runs until `signal` aborts or a stage comes down; exit code 0 after a clean stop, else 1. */
export async function run(args: string[], { config, chosen, stdout, signal }: Context): Promise<number> {
  const { values, positionals } = parse(args);
  const selected = selectStages(positionals);
  if (values.check) {
    stdout.write(describeConfig(config));
    return 0;
  }
  const line = stdout.isTTY ? createStatusLine(stdout) : undefined;
  const level = line !== undefined && !chosen.has('LOG_LEVEL') ? 'warn' : config.LOG_LEVEL;
  const logger = createLogger(level, line);
  for (const name of unusedSettings.filter(unused => chosen.has(unused))) {
    logger.warn({ setting: name }, 'no stage of this version uses this setting');
  }
  const stages = await startStages(selected, config, { logger, chosen, signal });

  const places = describePlaces(stages, config);
  if (line === undefined) logger.info(Object.fromEntries(places), 'everything runs');
  else for (const [name, value] of places) stdout.write(`${name.padEnd(10)} ${value}\n`);
  const summary = createSummary(stages);
  const timer = setInterval(
    () => {
      if (line === undefined) logger.info(summary(), 'summary');
      else line.show(describeSummary(summary()));
    },
    line === undefined ? logIntervalMs : lineIntervalMs,
  );

  // A Ctrl-C while the stages were starting counts too.
  const aborted = new Promise<undefined>(wake => {
    if (signal.aborted) wake(undefined);
    signal.addEventListener('abort', () => wake(undefined), { once: true });
  });
  const broken = await Promise.race([stages.broken, aborted]);
  clearInterval(timer);
  if (broken !== undefined) logger.error({ stage: broken.name, error: broken.error }, 'stage came down');
  line?.show('stopping: intake first, then the readers drain; Ctrl-C again stops at once');
  const stopped = await stopLogged(stages, logger);
  line?.end();
  return broken === undefined && stopped ? 0 : 1;
}

async function stopLogged(stages: Stages, logger: Logger): Promise<boolean> {
  try {
    await stages.stop(stopDeadlineMs);
    logger.info({}, 'stopped');
    return true;
  } catch (error) {
    logger.error({ error }, 'stop was not clean');
    return false;
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, allowPositionals: true, options: { check: { type: 'boolean', default: false } } });
  } catch (error) {
    throw startErrors.WRONG_USE({ problem: (error as Error).message, usage });
  }
}

function describePlaces(stages: Stages, config: Config): [string, string][] {
  const { broker, edge, archive, log, ops } = stages;
  const places: [string, string][] = [['data', resolve(config.DATA_DIR)]];
  if (edge !== undefined) places.push(['edge', `${edge.counts().drones} drones of the fleet ${config.EDGE_FLEET}`]);
  if (broker !== undefined) places.push(['broker', broker.addresses.join('  ')]);
  if (log !== undefined) places.push(['log', resolve(config.DATA_DIR, 'log')]);
  if (archive !== undefined) places.push(['archive', config.OBJECTS_URL ?? resolve(config.DATA_DIR, 'archive')]);
  places.push(['operations', `http://${config.OPS_HOST}:${ops.port}/health  /metrics`]);
  return places;
}
