import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Config } from '../../core/config.ts';
import { defineErrors } from '../../core/errors.ts';
import type { EventLog } from '../../log/event-log.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import { type AuditReport, audit, seedMax } from './audit.ts';
import { describeReport } from './report-text.ts';

export const usage = `Usage: prestacop audit [--sample N|all] [--seed N] [--verify] [--json]

Proves that nothing was lost, or names what was: the drones' own sequence numbers, and every image and frame that a message
names, against the log and the archive. Reads only, and runs beside a live system: what is in flight is counted as such.

  --sample N   hash N archived pictures and compare with their ids, or "all"; default 100. Pictures in the log always are
  --seed N     which ones: the report of an earlier audit says its seed
  --verify     also read every archived object and pack whole and compare its SHA-256 with the manifest's
  --json       print one JSON document instead of the tables

Exit code: 0 balanced, 1 something is missing, damaged or could not be read, 2 wrong use, 130 interrupted.
`;

export const auditErrors = defineErrors('AUDIT', {
  NO_DATA: { misuse: true, message: 'DATA_DIR {dataDir} does not exist, so there is nothing to audit' },
  WRONG_USE: { misuse: true, message: '{problem}\n\n{usage}' },
});

export interface AuditContext {
  config: Pick<Config, 'DATA_DIR'>;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown };
  signal: AbortSignal;
  openLog(): Promise<EventLog>;
  openObjects(): Promise<ObjectStore>;
}

/** After this long every further step is told on standard error. */
const quietMs = 2000;
const interrupted = 130;
/** Each is a range read; from here on it is faster to read all packs. */
const sampleMax = 100_000;

/** Runs the audit and prints its report. */
export async function run(args: string[], context: AuditContext): Promise<number> {
  const { config, stdout, stderr, signal } = context;
  const { json, ...options } = parse(args);
  if (!existsSync(config.DATA_DIR)) throw auditErrors.NO_DATA({ dataDir: config.DATA_DIR });
  const began = performance.now();
  let report: AuditReport;
  try {
    report = await audit({
      dataDir: config.DATA_DIR,
      log: await context.openLog(),
      objects: await context.openObjects(),
      signal,
      ...options,
      onProgress: step => {
        if (performance.now() - began > quietMs) stderr.write(`audit: ${step}\n`);
      },
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    stderr.write('audit: interrupted, nothing is proven\n');
    return interrupted;
  }
  stdout.write(json ? encodeReport(report) : describeReport(report));
  return report.ok ? 0 : 1;
}

function parse(args: string[]): { json: boolean; verify: boolean; sample?: number | 'all'; seed?: number } {
  const flag = { type: 'boolean', default: false } as const;
  const value = { type: 'string' } as const;
  try {
    const options = { json: flag, verify: flag, sample: value, seed: value };
    const { sample, seed, ...flags } = parseArgs({ args, options }).values;
    return {
      ...flags,
      ...(sample === undefined ? {} : { sample: sample === 'all' ? sample : wholeNumber('sample', sample, sampleMax) }),
      ...(seed === undefined ? {} : { seed: wholeNumber('seed', seed, seedMax) }),
    };
  } catch (error) {
    throw auditErrors.WRONG_USE({ problem: (error as Error).message, usage });
  }
}

function wholeNumber(name: string, text: string, most: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(number <= most)) throw new Error(`--${name} is a whole number up to ${most}, and not "${text}"`);
  return number;
}

/** One JSON document; offsets as decimal text, since they may exceed what a JSON number holds exactly. */
function encodeReport(report: AuditReport): string {
  return `${JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? String(value) : value), 2)}\n`;
}
