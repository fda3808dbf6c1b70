import { SeqRanges } from '../../core/seq-ranges.ts';

/** One count of numbers: a drone's messages of one kind within one epoch. */
export interface Series {
  droneId: string;
  epoch: string;
  kind: string;
}

export function seriesKey({ droneId, epoch, kind }: Series): string {
  return `${droneId}/${epoch}/${kind}`;
}

/** Consecutive numbers in consecutive places of the log's part that was read. */
export interface LogRun {
  partition: number;
  seqs: [first: number, last: number];
  offsets: [first: bigint, last: bigint];
}

/** Where the numbers of one series were found. */
export interface Sighting extends Series {
  archived: SeqRanges;
  /** Of the archived ones, those that stand there without the redelivery flag. */
  firsts: SeqRanges;
  log: SeqRanges;
  logRuns: LogRun[];
  rejected: SeqRanges;
  redelivered: number;
  doubled: number;
}

/** A run of numbers in some of the archive's objects, all with the same redelivery flag. */
export interface ArchivedRun extends Series {
  redelivery: boolean;
  first: number;
  last: number;
  /** Rows that hold them; more than last - first + 1 when some stand there more than once. */
  rows: number;
}

/** Everything that archive and log hold of numbered messages, as ranges: memory grows with gaps, not with messages. */
export class Sightings {
  #series = new Map<string, Sighting>();

  /** The sighting of a series, an empty one for a series that was never seen. */
  of({ droneId, epoch, kind }: Series): Sighting {
    return this.#series.get(seriesKey({ droneId, epoch, kind })) ?? emptySighting({ droneId, epoch, kind });
  }

  all(): Sighting[] {
    return [...this.#series.values()].filter(({ archived, log }) => archived.count + log.count > 0);
  }

  addArchived({ redelivery, first, last, rows, ...series }: ArchivedRun): void {
    const sighting = this.#entry(series);
    if (redelivery) {
      sighting.redelivered += rows;
      sighting.archived.addRange(first, last);
      return;
    }
    const before = sighting.firsts.count;
    sighting.firsts.addRange(first, last);
    sighting.archived.addRange(first, last);
    sighting.doubled += rows - (sighting.firsts.count - before);
  }

  addLogged(series: Series, seq: number, { partition, offset }: { partition: number; offset: bigint }): void {
    const sighting = this.#entry(series);
    if (sighting.archived.has(seq) || !sighting.log.add(seq)) sighting.redelivered++;
    const run = sighting.logRuns.at(-1);
    if (run !== undefined && seq === run.seqs[1] + 1) {
      run.seqs[1] = seq;
      run.offsets[1] = offset;
    } else {
      sighting.logRuns.push({ partition, seqs: [seq, seq], offsets: [offset, offset] });
    }
  }

  addRejected(series: Series, first: number, last: number): void {
    this.#entry(series).rejected.addRange(first, last);
  }

  #entry(series: Series): Sighting {
    const key = seriesKey(series);
    let entry = this.#series.get(key);
    if (entry === undefined) {
      entry = emptySighting(series);
      this.#series.set(key, entry);
    }
    return entry;
  }
}

function emptySighting({ droneId, epoch, kind }: Series): Sighting {
  return {
    droneId,
    epoch,
    kind,
    archived: new SeqRanges(),
    firsts: new SeqRanges(),
    log: new SeqRanges(),
    logRuns: [],
    rejected: new SeqRanges(),
    redelivered: 0,
    doubled: 0,
  };
}
