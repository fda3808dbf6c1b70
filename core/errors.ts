/** What every failure that a caller may act on looks like. Programmer mistakes stay plain `TypeError`s. */
export class AppError extends Error {
  /** Stable and never reused, e.g. `LOG_FULL`: what `catch` decides by. */
  readonly code: string;
  /** Whether the same call may succeed later without anybody changing a setting. */
  readonly retryable: boolean;
  /** Whether somebody used a command or a setting wrongly: exit code 2, and no stack. */
  readonly misuse: boolean;
  /** Facts for the log line: numbers with units in their names, paths, ids. Never a secret. */
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { retryable?: boolean; misuse?: boolean; detail?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.misuse = options.misuse ?? false;
    this.detail = options.detail ?? {};
  }
}

export interface ErrorSpec {
  /** What was expected and which setting to change; `{name}` is replaced by `detail.name`. */
  message: string;
  retryable?: boolean;
  misuse?: boolean;
}

type ErrorMaker = (detail?: Record<string, unknown>, cause?: unknown) => AppError;

/** The errors of one area as functions: `const errors = defineErrors('LOG', {FULL: {message: '...'}}); throw errors.FULL({bytes})`. */
export function defineErrors<Name extends string>(
  area: string,
  specs: Record<Name, ErrorSpec>,
): Record<Name, ErrorMaker> {
  const makers = {} as Record<Name, ErrorMaker>;
  for (const name of Object.keys(specs) as Name[]) {
    const { message, retryable, misuse } = specs[name];
    makers[name] = (detail = {}, cause) =>
      new AppError(
        `${area}_${name}`,
        message.replace(/\{(\w+)\}/g, (whole, key) => (key in detail ? String(detail[key]) : whole)),
        { retryable, misuse, detail, cause },
      );
  }
  return makers;
}

/** True for an `AppError` of that code: `catch (error) { if (hasCode(error, 'LOG_FULL')) ... }`. */
export function hasCode(error: unknown, code: string): error is AppError {
  return error instanceof AppError && error.code === code;
}
