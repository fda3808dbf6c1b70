import { lacks } from '../event-log-embedded.ts';
import { eventLogContract } from './event-log.contract.ts';
import { openLog, temporaryFolder } from './temporary-log.ts';

const counts = (partitions: number) => ({ telemetry: partitions, violation: partitions });

eventLogContract('segment files, the owner', (t, partitions) => openLog(t, { partitions: counts(partitions) }), {
  lacks,
});

eventLogContract(
  'segment files, through the socket',
  async (t, partitions) => {
    const dataDir = await temporaryFolder(t);
    await openLog(t, { dataDir, partitions: counts(partitions) });
    return openLog(t, { dataDir, role: 'other' });
  },
  { lacks },
);
