import { readFileSync } from 'node:fs';
import { defineErrors } from './errors.ts';
import { type Setting, SettingError, settings } from './settings.ts';

type Settings = typeof settings;

/** The effective configuration, keyed by the variables' names. Stages take `Pick<Config, ...>` of what they use. */
export type Config = { readonly [Name in keyof Settings]: ReturnType<Settings[Name]['parse']> };

export interface ConfigProblem {
  variable: string;
  /** What was found; '***' for a secret. */
  value: string;
  allowed: string;
}

export const configErrors = defineErrors('CONFIG', {
  INVALID: { misuse: true, message: 'The configuration has mistakes:\n{lines}' },
});

/** A variable with one of these beginnings that is not in the table is a typing mistake. */
const stagePrefixes = ['EDGE_', 'BROKER_', 'BRIDGE_', 'ARCHIVE_', 'CASES_', 'METRICS_', 'CONSOLE_', 'OPS_'];

const entries = Object.entries(settings) as [keyof Config, Setting<unknown>][];

/**
 * Reads the environment against the table. All problems are listed at once in one `CONFIG_INVALID` (`detail.problems`).
 * A secret may come as `NAME_FILE`, whose last line break is dropped. `chosen` names what was set by the user.
 */
export function parseConfig(
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string = path => readFileSync(path, 'utf8'),
): { config: Config; chosen: ReadonlySet<keyof Config> } {
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  const chosen = new Set<keyof Config>();

  for (const [name, setting] of entries) {
    let text = env[name] === '' ? undefined : env[name];
    const file = setting.secret ? env[`${name}_FILE`] : undefined;
    if (file) {
      if (text !== undefined) {
        problems.push({ variable: `${name}_FILE`, value: file, allowed: `only one of ${name} and ${name}_FILE` });
      }
      try {
        text = readFile(file).replace(/\r?\n$/, '');
      } catch (error) {
        problems.push({
          variable: `${name}_FILE`,
          value: file,
          allowed: `a readable file (${(error as Error).message})`,
        });
      }
    }
    if (text !== undefined) chosen.add(name);
    try {
      values[name] = setting.parse(text);
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      problems.push({ variable: name, value: setting.secret ? '***' : (text ?? ''), allowed: setting.allowed });
    }
  }
  problems.push(...unknownVariables(env), ...contradictions(values as Config));

  if (problems.length > 0) {
    const lines = problems.map(({ variable, value, allowed }) => `  ${variable}=${value}: expected ${allowed}`);
    throw configErrors.INVALID({ problems, lines: lines.join('\n') });
  }
  return { config: values as Config, chosen };
}

function unknownVariables(env: Readonly<Record<string, string | undefined>>): ConfigProblem[] {
  const known = new Set<string>(
    entries.flatMap(([name, setting]) => (setting.secret ? [name, `${name}_FILE`] : [name])),
  );
  return Object.keys(env)
    .filter(name => stagePrefixes.some(prefix => name.startsWith(prefix)) && !known.has(name))
    .map(variable => ({
      variable,
      value: env[variable] ?? '',
      allowed: `a name from docs/config.md; nearest is ${nearest(variable, known)}`,
    }));
}

function contradictions(config: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const tlsFiles = ['BROKER_TLS_KEY_FILE', 'BROKER_TLS_CERT_FILE'] as const;
  for (const variable of tlsFiles) {
    if (config.BROKER_TLS_PORT !== undefined && config[variable] === undefined) {
      problems.push({ variable, value: '', allowed: 'a PEM file, because BROKER_TLS_PORT is set' });
    }
  }
  if (config.ARCHIVE_RUN_WINDOW_SECONDS !== undefined && 86_400 % config.ARCHIVE_RUN_WINDOW_SECONDS !== 0) {
    const value = String(config.ARCHIVE_RUN_WINDOW_SECONDS);
    problems.push({ variable: 'ARCHIVE_RUN_WINDOW_SECONDS', value, allowed: 'a number of seconds that divides a day' });
  }
  return problems;
}

/** One `NAME=value` a variable, in the table's order; secrets as `***`, what is unset as empty. */
export function describeConfig(config: Config): string {
  return entries
    .map(([name, { secret }]) => `${name}=${config[name] === undefined ? '' : secret ? '***' : config[name]}\n`)
    .join('');
}

function nearest(name: string, known: ReadonlySet<string>): string {
  return [...known].reduce((best, candidate) => (distance(name, candidate) < distance(name, best) ? candidate : best));
}

/** Levenshtein distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
