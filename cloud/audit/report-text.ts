import type { AuditReport } from './audit.ts';
import { describeHole } from './explanation.ts';
import { pictureSheetNames } from './picture-report.ts';
import { hasPictures, pictureFaults, pictureSections, pictureTitles, pictureVerdict } from './picture-text.ts';
import { type Sheet, sheetNames } from './report.ts';

const titles: Record<keyof Sheet, string> = {
  made: 'made by the drones',
  refused: 'refused for space, unnumbered',
  lostAtDrone: 'lost at the drone',
  acknowledged: 'acknowledged',
  inLog: 'in the log, not yet archived',
  archived: 'archived',
  redelivered: 'redelivered',
  rejected: 'rejected',
  inFlight: 'in flight',
  missing: 'missing',
  newer: 'newer than this audit',
  doubled: 'doubled in the archive',
};

/** The report for people: the balance sheet, then every gap by name. Ends with one line that is the verdict. */
export function describeReport(report: AuditReport): string {
  const { kinds, total, drones, gaps, holes, damaged, unreadable, judgedByState, unjudged, earlierLogs, ok } = report;
  const withGaps = new Set(gaps.map(({ droneId }) => droneId));
  const sections: [title: string, lines: string[]][] = [
    [
      'Gaps',
      gaps.flatMap(({ what, droneId, epoch, kind, from, to, lastSeen }, index) => {
        const range = from === to ? `${from}` : `${from} to ${to}`;
        const line = `${what}: drone ${droneId} epoch ${epoch} ${kind} ${range} (${lastSeen})`;
        const lastOfDrone = gaps.findLastIndex(gap => gap.droneId === droneId) === index;
        return lastOfDrone ? [line, ...unreadableOf(report, droneId)] : [line];
      }),
    ],
    ...pictureSections(report.pictures),
    ['Holes', holes.map(describeHole)],
    ['Damaged', damaged.map(({ object, problem }) => `${object}: ${problem}`)],
    [
      'Rejected without a readable number, from drones without gaps',
      unreadable.filter(({ droneId }) => !withGaps.has(droneId)).map(describeUnreadable),
    ],
    [
      'Judged by their last state, since there is no ledger to read',
      judgedByState.length === 0 ? [] : [judgedByState.join(' ')],
    ],
    [
      'Not judged: neither a ledger nor a state tells what was made',
      unjudged.map(({ droneId, epoch, kind, seen }) => `drone ${droneId} epoch ${epoch} ${kind}: ${seen} stored`),
    ],
    [
      'Earlier logs, replaced by the present one: what they held behind the archived part is gone',
      earlierLogs.map(
        ({ stream, partition, log8, archivedTo }) =>
          `${stream} partition ${partition} of log ${log8}: archived up to offset ${archivedTo} (exclusive)`,
      ),
    ],
  ];
  const text = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `\n${title}:\n${lines.map(line => `  ${line}\n`).join('')}`)
    .join('');
  const verdict = ok
    ? `Balanced: all ${total.acknowledged} acknowledged messages are stored or rejected by name.`
    : `NOT BALANCED: ${total.missing} missing, ${total.lostAtDrone} lost at the drone, ${total.doubled} doubled, ` +
      `${holes.length} holes, ${damaged.length} damaged${pictureFaults(report.pictures)}.`;
  const nothing = drones.length + unjudged.length === 0 && holes.length + damaged.length === 0;
  const conclusion = nothing
    ? 'NOTHING TO AUDIT: no message of any drone is here. Is DATA_DIR right?'
    : hasPictures(report.pictures)
      ? `${pictureVerdict(report.pictures)}\n${verdict}`
      : verdict;
  const messages = table(titles, sheetNames, [...Object.entries(kinds), ['total', total]]);
  const pictures = hasPictures(report.pictures)
    ? `\n${table(pictureTitles, pictureSheetNames, Object.entries(report.pictures.kinds))}`
    : '';
  return `${messages}${pictures}${text}\n${conclusion}\n`;
}

function unreadableOf({ unreadable }: AuditReport, droneId: string): string[] {
  return unreadable
    .filter(one => one.droneId === droneId)
    .map(one => `  perhaps among them, rejected without a readable number: ${describeUnreadable(one)}`);
}

function describeUnreadable({ droneId, kind, reason, count, offset }: AuditReport['unreadable'][number]): string {
  return `drone ${droneId} ${kind}: ${count} for ${reason}, the first at offset ${offset} of rejected`;
}

function table<Name extends string>(
  rowTitles: Record<Name, string>,
  names: readonly Name[],
  columns: readonly [title: string, counts: Record<Name, number>][],
): string {
  const first = Math.max(...Object.values<string>(rowTitles).map(title => title.length));
  const row = (title: string, cells: string[]) =>
    `${title.padEnd(first)}${cells.map(cell => cell.padStart(12)).join('')}\n`;
  return [
    row(
      '',
      columns.map(([title]) => title),
    ),
    ...names.map(name =>
      row(
        rowTitles[name],
        columns.map(([, counts]) => String(counts[name])),
      ),
    ),
  ].join('');
}
