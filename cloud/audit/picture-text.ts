import { type Naming, type PictureReport, type PictureSheet, pictureSheetNames } from './picture-report.ts';

export const pictureTitles: Record<keyof PictureSheet, string> = {
  named: 'named by messages',
  archived: 'archived',
  inLog: 'in the log, not yet archived',
  inFlight: 'in flight',
  rejected: 'rejected',
  unproven: 'unproven: in flight or lost',
  newer: 'newer than this audit',
  missing: 'missing',
  unnamed: 'stored, not named yet',
  redelivered: 'redelivered',
  refused: 'refused for space',
  checked: 'hashed',
  damaged: 'damaged',
};

/** Whether there is anything to say of pictures. */
export function hasPictures({ kinds }: PictureReport): boolean {
  return Object.values(kinds).some(sheet => pictureSheetNames.some(name => sheet[name] > 0));
}

/** What the report names of pictures, by section. */
export function pictureSections(report: PictureReport): [title: string, lines: string[]][] {
  const { kinds, missing, rejected, damaged, unproven, unaccounted } = report;
  const total = (name: keyof PictureSheet) => Object.values(kinds).reduce((sum, sheet) => sum + sheet[name], 0);
  const rest = (listed: number, all: number) => (all > listed ? [`and ${all - listed} more`] : []);
  return [
    [
      'Missing pictures',
      [
        ...missing.map(
          ({ kind, imageId, namedBy, lastSeen }) =>
            `${kind} ${imageId} named by ${describeNaming(namedBy)} (${lastSeen})`,
        ),
        ...rest(missing.length, total('missing')),
      ],
    ],
    [
      'Damaged pictures',
      [
        ...damaged.map(({ kind, imageId, droneId, where, problem, namedBy }) => {
          const by = namedBy === undefined ? 'named by no message' : `named by ${describeNaming(namedBy)}`;
          return `${kind} ${imageId} of drone ${droneId}, ${by}: ${problem} (${where})`;
        }),
        ...rest(damaged.length, total('damaged')),
      ],
    ],
    [
      'Acknowledged pictures that are neither in archive nor log, named or not',
      unaccounted.map(
        ({ kind, droneId, acknowledged, stored, rejected: refused }) =>
          `drone ${droneId} ${kind}: at least ${acknowledged - stored - refused}, ` +
          `of ${acknowledged} acknowledged ${stored} are stored and ${refused} rejected`,
      ),
    ],
    [
      'Rejected pictures that messages name',
      [
        ...rejected.map(
          ({ kind, imageId, namedBy, reason, offset }) =>
            `${kind} ${imageId} named by ${describeNaming(namedBy)}: ${reason}, at offset ${offset} of rejected`,
        ),
        ...rest(rejected.length, total('rejected')),
      ],
    ],
    [
      'Unproven frames, of drones without a ledger: in flight or lost, the device alone knows',
      unproven.map(({ droneId, count }) => `drone ${droneId}: ${count}`),
    ],
  ];
}

/** One line that says what the pictures' part of the verdict rests on. */
export function pictureVerdict({ kinds, sample, unaccounted }: PictureReport): string {
  const total = (name: keyof PictureSheet) => Object.values(kinds).reduce((sum, sheet) => sum + sheet[name], 0);
  const hashed =
    sample.size === 'all'
      ? `all ${total('checked')} stored ones hashed`
      : `${total('checked')} hashed (a sample of ${sample.size} of the archive with seed ${sample.seed}, and all in the log)`;
  return (
    `Pictures: ${total('named')} named, ${total('missing')} missing, ${total('damaged')} damaged, ` +
    `${unaccounted.length === 0 ? '' : `${unaccounted.length} drones' counts do not fit, `}${hashed}.`
  );
}

function describeNaming({ droneId, epoch, kind, seq }: Naming): string {
  return `drone ${droneId} epoch ${epoch} ${kind} ${seq}`;
}
