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
  const { missing, rejected, damaged, unproven, unaccounted } = report;
  const rest = (listed: number, all: number) => (all > listed ? [`and ${all - listed} more`] : []);
  return [
    [
      'Missing pictures',
      [
        ...missing.map(
          ({ kind, imageId, namedBy, lastSeen }) =>
            `${kind} ${imageId} named by ${describeNaming(namedBy)} (${lastSeen})`,
        ),
        ...rest(missing.length, totalOf(report, 'missing')),
      ],
    ],
    [
      'Damaged pictures',
      [
        ...damaged.map(({ kind, imageId, droneId, where, problem, namedBy }) => {
          const by = namedBy === undefined ? 'named by no message' : `named by ${describeNaming(namedBy)}`;
          return `${kind} ${imageId} of drone ${droneId}, ${by}: ${problem} (${where})`;
        }),
        ...rest(damaged.length, totalOf(report, 'damaged')),
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
        ...rest(rejected.length, totalOf(report, 'rejected')),
      ],
    ],
    [
      'Unproven frames, of drones without a ledger: in flight or lost, the device alone knows',
      unproven.map(({ droneId, count }) => `drone ${droneId}: ${count}`),
    ],
  ];
}

/** One line that says what the pictures' part of the verdict rests on. */
export function pictureVerdict(report: PictureReport): string {
  const { sample } = report;
  const checked = totalOf(report, 'checked');
  const hashed =
    sample.size === 'all'
      ? `all ${checked} stored ones hashed`
      : `${checked} hashed (a sample of ${sample.size} of the archive with seed ${sample.seed}, and all in the log)`;
  return `Pictures: ${totalOf(report, 'named')} named, ${hashed}.`;
}

/** What is wrong with pictures, as the end of a sentence; empty when nothing is. */
export function pictureFaults(report: PictureReport): string {
  if (report.ok) return '';
  const counts =
    report.unaccounted.length === 0 ? '' : `, counts of ${report.unaccounted.length} drones that do not fit`;
  return `; of pictures ${totalOf(report, 'missing')} missing, ${totalOf(report, 'damaged')} damaged${counts}`;
}

function totalOf({ kinds }: PictureReport, name: keyof PictureSheet): number {
  return Object.values(kinds).reduce((sum, sheet) => sum + sheet[name], 0);
}

function describeNaming({ droneId, epoch, kind, seq }: Naming): string {
  return `drone ${droneId} epoch ${epoch} ${kind} ${seq}`;
}
