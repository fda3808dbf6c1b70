/**
 * What a process knows of one partition: in the owner kept by the writer, elsewhere what the owner told. Offsets are plain
 * numbers inside the embedded log; 2^53 records do not fit on a disk.
 */
export class PartitionView {
  readonly stream: string;
  readonly partition: number;
  /** Folder of its segment files. */
  readonly folder: string;
  /** First offset held. */
  earliest = 0;
  /** The offset after the last durable record (L3). */
  end = 0;
  /** First offset of the segment that holds the newest records. */
  activeBase = 0;
  /** Of its records; the newest segment's file may be longer by the zeros that are written ahead. */
  bytes = 0;
  /** Positions in segment files by their first offset: [offset, byte, offset, byte ...], sparse, filled by those who read. */
  readonly index = new Map<number, number[]>();
  /** Hears of every change; the owner tells the other processes. */
  onUpdate: (() => void) | undefined;
  #waiters = new Set<() => void>();

  constructor(stream: string, partition: number, folder: string) {
    this.stream = stream;
    this.partition = partition;
    this.folder = folder;
  }

  update(next: { earliest: number; end: number; activeBase: number; bytes: number }): void {
    this.earliest = next.earliest;
    this.end = next.end;
    this.activeBase = next.activeBase;
    this.bytes = next.bytes;
    for (const base of this.index.keys()) if (base < next.earliest) this.index.delete(base);
    for (const wake of this.#waiters) wake();
    this.onUpdate?.();
  }

  /** Resolves once records at or after `offset` are durable, or once `signal` aborts. */
  beyond(offset: number, signal: AbortSignal): Promise<void> {
    if (this.end > offset || signal.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const wake = () => {
        if (this.end <= offset && !signal.aborted) return;
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}
