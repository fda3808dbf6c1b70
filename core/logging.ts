import { pino } from 'pino';

/**
 * One JSON object a line. `error`: data lost or a person must act; `warn`: unexpected, nothing lost; `info`: start,
 * ready, stop, one summary a minute; `debug`: per batch. The message is short and fixed, what varies is a field.
 */
export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  /** A logger that adds these fields to every line. */
  child(fields: Record<string, unknown>): Logger;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'silent';

/** Writes to `output`, by default the process's standard error; errors in fields `error` or `err` keep code, detail and cause. */
export function createLogger(
  level: LogLevel,
  output: { write(line: string): void } = pino.destination({ dest: 2, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: undefined,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: describeError, error: describeError },
    },
    output,
  );
}

export const silentLogger: Logger = createLogger('silent');

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, detail } = error as Error & { code?: unknown; detail?: unknown };
  return {
    message: error.message,
    ...(code === undefined ? { stack: error.stack } : { code }),
    ...(detail === undefined ? {} : { detail }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
