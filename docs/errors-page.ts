import type { AppError } from '../core/errors.ts';

const opening = `# Errors

<!-- Made by "npm run docs" from the tables made with defineErrors. -->

Every failure that somebody can act on has a code; codes are never used again for something else. *Retryable* means that the same
call may succeed later without anybody changing a setting. \`{name}\` stands for a value of the moment.
`;

/** `docs/errors.md`, from one made error of each code. */
export function errorsPage(errors: readonly AppError[]): string {
  const rows = [...errors]
    .sort((a, b) => (a.code < b.code ? -1 : 1))
    .map(
      ({ code, retryable, message }) =>
        `| \`${code}\` | ${retryable ? 'yes' : ''} | ${message.replace(/\s+/g, ' ').replaceAll('|', '\\|')} |\n`,
    );
  return `${opening}\n| code | retryable | |\n| --- | --- | --- |\n${rows.join('')}`;
}
