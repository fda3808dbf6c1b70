import { type MessageKind, messageKinds } from './messages.ts';

/** One stream of the log (a Kafka topic). */
export interface Stream {
  name: string;
  /** What its records are keyed by. */
  key: string;
  /** Whether the archive stores it, after which it may leave the log by age and size; the others never leave. */
  archived: boolean;
  /** The kinds of messages it holds, in the table's order; empty for streams that no device writes. */
  kinds: readonly MessageKind[];
}

const written: readonly Omit<Stream, 'kinds'>[] = [
  { name: 'case', key: 'droneId', archived: true },
  { name: 'ticket', key: 'summons number', archived: true },
  { name: 'rejected', key: 'droneId or file', archived: true },
  { name: 'audit', key: 'writer', archived: true },
  { name: 'account', key: 'subject', archived: false },
  { name: 'load', key: 'SHA-256 of the file', archived: false },
];

/** Every stream: first those of the message table, then those that our own stages write (DESIGN section 4). */
export function streamsOf(kinds: readonly MessageKind[]): readonly Stream[] {
  const names = [...new Set(kinds.map(({ stream }) => stream))];
  return [
    ...names.map(name => ({
      name,
      key: 'droneId',
      archived: true,
      kinds: kinds.filter(({ stream }) => stream === name),
    })),
    ...written.map(stream => ({ ...stream, kinds: [] })),
  ];
}

export const streams = streamsOf(messageKinds);
