import { writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { AppError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logging.ts';
import { openEventLog } from '../open.ts';
import { logConfig, records } from './temporary-log.ts';

/*
 * A process that appends to `telemetry`, for tests that kill it: `appender.ts DATA_DIR ROLE COUNT`. Appends the numbers
 * 1, 2, 3 ... in calls of COUNT records and says on standard output, a line each: `open`, then after each call the last
 * number acknowledged.
 */
const [dataDir, role, count] = process.argv.slice(2);
const log = await openEventLog(logConfig(dataDir!), { logger: silentLogger, role: role as 'bridge' | 'other' });
writeSync(1, 'open\n');
const perCall = Number(count);
for (let first = 1; ; ) {
  try {
    await log.append('telemetry', records(first, first + perCall - 1));
    first += perCall;
    writeSync(1, `${first - 1}\n`);
  } catch (error) {
    if (!(error instanceof AppError) || !error.retryable) throw error;
    await wait(5);
  }
}
