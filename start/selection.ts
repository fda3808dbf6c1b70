import { defineErrors } from '../core/errors.ts';

/** The stages in the order of the data path. */
export const stageNames = ['edge', 'broker', 'bridge', 'archive'] as const;
export type StageName = (typeof stageNames)[number];

export const startErrors = defineErrors('START', {
  UNKNOWN_STAGE: { misuse: true, message: 'There is no stage "{name}"; there are: {known}' },
  WRONG_USE: { misuse: true, message: '{problem}\n\n{usage}' },
  SELECTION: { misuse: true, message: 'This selection cannot work: {reason}' },
  NO_CREDENTIALS: {
    misuse: true,
    message:
      'The drones need passwords and {path} does not exist: make it with "npm run drone -- add --count N --out FILE" ' +
      'where the broker runs, and set EDGE_CREDENTIALS_FILE; for one device set MQTT_PASSWORD',
  },
  DRONES_WITHOUT_PASSWORD: {
    misuse: true,
    message: '{path} has no password for {count} of the drones, the first is {first}: set EDGE_DRONES or add them',
  },
});

/** The stages named on the command line, all when none is named. A selection that cannot work is START_SELECTION with the reason. */
export function selectStages(words: readonly string[]): ReadonlySet<StageName> {
  for (const name of words) {
    if (!stageNames.some(stage => stage === name)) {
      throw startErrors.UNKNOWN_STAGE({ name, known: stageNames.join(', ') });
    }
  }
  const selected = new Set((words.length === 0 ? stageNames : words) as StageName[]);
  if (selected.has('bridge') && !selected.has('broker')) {
    throw startErrors.SELECTION({ reason: 'bridge works inside the process of a broker; add "broker"' });
  }
  if (selected.has('broker') && !selected.has('bridge')) {
    throw startErrors.SELECTION({
      reason: 'broker acknowledges only what a bridge has made durable in the log; add "bridge"',
    });
  }
  return selected;
}
