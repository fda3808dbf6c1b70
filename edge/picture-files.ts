import {
  closeSync,
  existsSync,
  fdatasync,
  fsync,
  mkdirSync,
  open,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  unlink,
  writev,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const [openFile, write, sync, syncAll] = [promisify(open), promisify(writev), promisify(fdatasync), promisify(fsync)];

/** Where the bytes of a picture lie. */
export interface Place {
  /** The file's number, which is its name. */
  file: number;
  position: number;
  length: number;
}

/**
 * The bytes of pictures without PUBACK, in append-only files of one folder beside the outbox that names them. A file goes
 * when nothing in it is named any more and it is not the one written to.
 */
export interface PictureFiles {
  /**
   * Appends with one write and one sync; resolves with their places when they survive a power cut (D1), each named until it
   * is released. Rejects when any of it failed: then nothing may be named, and the next call begins a new file. One call
   * at a time.
   */
  append(pictures: readonly Uint8Array[], shelf?: Shelf): Promise<Place[]>;
  /** Throws when the file is gone or too short. */
  read(place: Place): Buffer;
  /** The outbox names this place no more. */
  release(place: Place): void;
  /** Size of all files, what was released included. */
  readonly bytes: number;
  /** Not while `append` runs. */
  close(): void;
}

/**
 * Which file is written to. What waits long lies apart, or the one drone without a link would keep the disk full of what
 * the others have long sent.
 */
export type Shelf = 'quick' | 'slow';

/** What the outbox names of a file. */
export interface Named {
  file: number;
  pictures: number;
}

export const fileMaxBytes = 32 * 1024 * 1024;

export interface PictureFilesOptions {
  /** A file this long is not written to any more; default `fileMaxBytes`. */
  rollBytes?: number;
  /** Only tests give another one. */
  write?: (file: number, buffers: readonly Uint8Array[]) => Promise<{ bytesWritten: number }>;
}

interface CurrentFile {
  number: number;
  descriptor: number;
  position: number;
}

interface PictureFile {
  bytes: number;
  pictures: number;
  /** Open for reading. */
  descriptor: number | undefined;
}

/** Files open for reading; drones that are far behind read from different ones. */
const openMax = 32;

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; there names are durable with their journal.
  if (process.platform === 'win32') return;
  const directory = await openFile(folder, 'r');
  await syncAll(directory).finally(() => closeSync(directory));
}

/** Opens `folder`, which need not exist; removes the files that `named` does not list. */
export function openPictureFiles(
  folder: string,
  named: readonly Named[],
  { rollBytes = fileMaxBytes, write: writeTo = write }: PictureFilesOptions = {},
): PictureFiles {
  const files = new Map<number, PictureFile>();
  const current: Record<Shelf, CurrentFile | undefined> = { quick: undefined, slow: undefined };
  let bytes = 0;
  let highest = 0;

  const pathOf = (number: number) => join(folder, String(number));
  removeUnnamed();

  function removeUnnamed(): void {
    for (const { file, pictures } of named) files.set(file, { bytes: 0, pictures, descriptor: undefined });
    const numbers = existsSync(folder) ? readdirSync(folder).filter(name => /^\d+$/.test(name)) : [];
    for (const number of numbers.map(Number)) {
      const file = files.get(number);
      if (file === undefined) rmSync(pathOf(number), { force: true });
      else file.bytes = statSync(pathOf(number)).size;
      bytes += file?.bytes ?? 0;
    }
    highest = Math.max(0, ...numbers.map(Number), ...files.keys());
  }

  /** A number is never given twice, so an outbox put back from a backup finds its own bytes or none. */
  async function begin(shelf: Shelf): Promise<CurrentFile> {
    const number = Math.max(highest + 1, Date.now());
    highest = number;
    mkdirSync(folder, { recursive: true });
    const descriptor = await openFile(pathOf(number), 'wx');
    const file = { number, descriptor, position: 0 };
    current[shelf] = file;
    files.set(number, { bytes: 0, pictures: 0, descriptor: undefined });
    for (const parent of [folder, dirname(folder)]) await syncFolder(parent);
    return file;
  }

  function seal(shelf: Shelf): void {
    const file = current[shelf];
    if (file === undefined) return;
    const { number, descriptor } = file;
    current[shelf] = undefined;
    closeSync(descriptor);
    removeIfDone(number);
  }

  function removeIfDone(number: number): void {
    const file = files.get(number)!;
    if (file.pictures > 0 || number === current.quick?.number || number === current.slow?.number) return;
    if (file.descriptor !== undefined) closeSync(file.descriptor);
    files.delete(number);
    bytes -= file.bytes;
    // Off the main thread, where 32 MiB take 10 ms; a file that stays goes at the next opening.
    unlink(pathOf(number), () => {});
  }

  function openForReading(number: number): number {
    const file = files.get(number);
    if (file === undefined) throw new Error(`there is no file ${pathOf(number)}`);
    if (file.descriptor !== undefined) return file.descriptor;
    const opened = [...files.values()].filter(({ descriptor }) => descriptor !== undefined);
    if (opened.length >= openMax) {
      closeSync(opened[0]!.descriptor!);
      opened[0]!.descriptor = undefined;
    }
    file.descriptor = openSync(pathOf(number), 'r');
    return file.descriptor;
  }

  return {
    async append(pictures, shelf = 'quick') {
      try {
        const to = current[shelf] ?? (await begin(shelf));
        const file = files.get(to.number)!;
        const total = pictures.reduce((sum, { length }) => sum + length, 0);
        const { bytesWritten } = await writeTo(to.descriptor, pictures);
        file.bytes += bytesWritten;
        bytes += bytesWritten;
        if (bytesWritten < total) throw new Error(`${bytesWritten} of ${total} bytes were written`);
        await sync(to.descriptor);
        const places = pictures.map(({ length }) => {
          const place = { file: to.number, position: to.position, length };
          to.position += length;
          return place;
        });
        file.pictures += places.length;
        if (to.position >= rollBytes) seal(shelf);
        return places;
      } catch (error) {
        seal(shelf);
        throw error;
      }
    },
    read({ file, position, length }) {
      const descriptor = openForReading(file);
      const picture = Buffer.allocUnsafeSlow(length);
      let read = 0;
      while (read < length) {
        const got = readSync(descriptor, picture, read, length - read, position + read);
        if (got === 0) throw new Error(`${pathOf(file)} ends before byte ${position + length}`);
        read += got;
      }
      return picture;
    },
    release({ file }) {
      files.get(file)!.pictures--;
      removeIfDone(file);
    },
    get bytes() {
      return bytes;
    },
    close() {
      for (const file of Object.values(current)) if (file !== undefined) closeSync(file.descriptor);
      for (const { descriptor } of files.values()) if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}
