import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { loadWorld } from '../world.ts';

/** Read once for all tests of a file. */
export const world = loadWorld();

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'prestacop-edge-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Waits for a condition, and says what was last seen when the deadline passes. */
export async function eventually(what: string, condition: () => boolean, seen: () => unknown, deadlineMs = 8000) {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what}; last seen: ${JSON.stringify(seen())}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
