import * as fs from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The calls through which records reach the disk; tests put failing ones in their place. */
export interface WriteCalls {
  write(
    fd: number,
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, written: number) => void,
  ): void;
  fdatasync(fd: number, done: (error?: Error | null) => void): void;
  fsync(fd: number, done: (error?: Error | null) => void): void;
}

/** So much goes into the page cache in some 20 us, while the way through libuv's threads takes 100 us and more. */
const directWriteMaxBytes = 64 * 1024;

export const realWriteCalls: WriteCalls = {
  fdatasync: fs.fdatasync,
  fsync: fs.fsync,
  write(fd, bytes, offset, length, position, done) {
    if (length > directWriteMaxBytes) {
      fs.write(fd, bytes, offset, length, position, done);
      return;
    }
    let written = 0;
    let failure: Error | null = null;
    try {
      written = fs.writeSync(fd, bytes, offset, length, position);
    } catch (error) {
      failure = error as Error;
    }
    done(failure, written);
  },
};

export function segmentPath(folder: string, base: number): string {
  return join(folder, `${String(base).padStart(20, '0')}.seg`);
}

/** First offsets of the segments in a folder, ascending; none where there is no folder. */
export async function segmentBases(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(error => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .filter(name => /^\d{20}\.seg$/.test(name))
    .map(name => Number(name.slice(0, 20)))
    .sort((a, b) => a - b);
}

/** Makes a folder's entries durable. Windows cannot, and does not need to. */
export async function syncFolder(folder: string, calls: WriteCalls = realWriteCalls): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await new Promise<void>((resolve, reject) => {
      calls.fsync(handle.fd, error => (error ? reject(error) : resolve()));
    });
  } finally {
    await handle.close();
  }
}

/** Creates a folder with its parents, each durable in the one above. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made.length <= first.length) return;
  }
}

/** Creates a small file whole or not at all, durably. */
export async function createFile(path: string, text: string): Promise<void> {
  const draft = `${path}.draft`;
  await rm(draft, { force: true });
  const handle = await open(draft, 'wx');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, path);
  await syncFolder(dirname(path));
}

/** Writes all bytes at `position`; a short write is gone on with. */
export function writeAll(
  calls: WriteCalls,
  fd: number,
  bytes: Buffer,
  position: number,
  done: (error?: Error | null) => void,
): void {
  calls.write(fd, bytes, 0, bytes.length, position, (error, written) => {
    if (error || written === bytes.length) done(error);
    else writeAll(calls, fd, bytes.subarray(written), position + written, done);
  });
}
