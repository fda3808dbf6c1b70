import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TestContext } from 'node:test';

/** The folder with the data that is too large, or not ours, to be in the repository; beside the checkout by default. */
const folder = resolve(process.env.SHARED_DIR ?? resolve(import.meta.dirname, '../../shared'));

/** The shared folder. Where it is absent the test is skipped and undefined comes back; with CI=true it fails instead. */
export function sharedDir(t: TestContext): string | undefined {
  if (existsSync(folder)) return folder;
  const advice = 'the shared folder is not beside the checkout: set SHARED_DIR to where it is';
  if (inCi) throw new Error(advice);
  t.skip(advice);
  return undefined;
}

/** True on the machine that must skip nothing. */
export const inCi = process.env.CI === 'true';
