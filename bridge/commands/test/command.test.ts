import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import { run } from '../command.ts';

test('what a drone could not read is refused before it is sent, with what is right', async () => {
  const context = {
    openLog: () => Promise.reject(new Error('the log is not needed')),
    stdout: { write() {} },
    signal: new AbortController().signal,
  };
  const epoch = '01K0N1V7Z0J8Q4S6T2W9X3Y5AB';
  for (const args of [
    ['photograph-again'],
    ['photograph-again', '--case', ''],
    ['photograph-again', '--case', 'last'],
    ['photograph-again', '--case', `nyc-0001:${epoch}:0`],
    ['hold', '--case', `nyc-0001:${epoch.toLowerCase()}:1`],
    ['config'],
    ['config', '--frames', 'maybe'],
    ['dance'],
  ]) {
    const wrong = (error: unknown) => hasCode(error, 'COMMAND_WRONG_USE');
    await assert.rejects(run(['nyc-0001', ...args], context), wrong, args.join(' '));
  }
  const right = run(['nyc-0001', 'photograph-again', '--case', `nyc-0001:${epoch}:12`], context);
  await assert.rejects(right, /the log is not needed/);
});
