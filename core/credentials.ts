import Type from 'typebox';
import { Compile } from 'typebox/schema';
import { defineErrors } from './errors.ts';
import { idPattern } from './ids.ts';

export const credentialsErrors = defineErrors('CREDENTIALS', {
  INVALID: { misuse: true, message: 'Line {line} of the credentials file is not {"droneId","fleet","password"}' },
});

/** Passwords by drone id. */
export type Credentials = ReadonlyMap<string, { fleet: string; password: string }>;

const check = Compile(
  Type.Object({
    droneId: Type.String({ pattern: idPattern }),
    fleet: Type.String({ pattern: idPattern }),
    password: Type.String({ minLength: 1, maxLength: 256 }),
  }),
);

/** The text of a credentials file: one JSON object a line, `{"droneId":...,"fleet":...,"password":...}`. Write it with mode 0600. */
export function encodeCredentials(credentials: Credentials): string {
  return [...credentials]
    .map(([droneId, { fleet, password }]) => `${JSON.stringify({ droneId, fleet, password })}\n`)
    .join('');
}

/** The inverse of `encodeCredentials`. A line that is none fails with CREDENTIALS_INVALID naming its number, never its text. */
export function parseCredentials(text: string): Map<string, { fleet: string; password: string }> {
  const credentials = new Map<string, { fleet: string; password: string }>();
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    const entry = parseLine(line);
    if (entry === undefined) throw credentialsErrors.INVALID({ line: index + 1 });
    credentials.set(entry.droneId, { fleet: entry.fleet, password: entry.password });
  });
  return credentials;
}

function parseLine(line: string): { droneId: string; fleet: string; password: string } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return check.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
