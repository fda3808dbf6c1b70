import { silentLogger } from '../../../core/logging.ts';
import { createMetrics } from '../../../core/metrics.ts';
import { streams } from '../../../core/streams.ts';
import { openEventLog } from '../../../log/open.ts';
import { startArchive } from '../archive.ts';
import { openObjectStore } from '../open.ts';
import { configIn, smallRuns } from './archive-scene.ts';

/** An archiver as a process of its own: the folders of the log and of the archive are its arguments. It runs until it is killed. */
const [, , logDir, archiveDir, ...only] = process.argv as string[];
const log = await openEventLog(configIn(logDir!), { logger: silentLogger, role: 'other' });
const config = configIn(archiveDir!, smallRuns);
await startArchive(config, {
  log,
  objects: await openObjectStore(config),
  logger: silentLogger,
  metrics: createMetrics(),
  streams: streams.filter(({ name }) => only.includes(name)),
});
process.stdout.write('started\n');
