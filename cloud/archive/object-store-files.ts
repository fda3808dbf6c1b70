import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newUlid } from '../../core/ids.ts';
import { type ObjectStore, objectErrors } from './object-store.ts';

export interface FileStoreOptions {
  /** Keys are paths below this folder. */
  root: string;
  /** The first parts that keys may have: what else lies in `root` is none of the store's business. */
  areas: readonly string[];
}

/** What this adapter cannot do, for the contract suite. */
export const lacks: readonly string[] = [];

const keyMaxBytes = 1024;
const partMaxBytes = 255;
/** A temporary file this old was left by a process that died: a put takes seconds. */
const staleAfterMs = 3_600_000;

/**
 * Objects as files, for one machine. An object appears by `link`, which never replaces: any number of processes may put the
 * same key, and one wins. Its bytes and its name are fsynced before `put` resolves. Temporaries lie in `{root}/tmp/objects`.
 */
export async function openFileObjectStore({ root, areas }: FileStoreOptions): Promise<ObjectStore> {
  const temporaries = join(root, 'tmp', 'objects');
  await mkdir(temporaries, { recursive: true });
  await sweep(temporaries);

  function pathOf(key: string): string {
    const parts = key.split('/');
    const valid =
      areas.includes(parts[0]!) &&
      parts.length > 1 &&
      Buffer.byteLength(key) <= keyMaxBytes &&
      parts.every(part => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= partMaxBytes) &&
      !/[\0\\]/.test(key);
    if (!valid) throw objectErrors.BAD_KEY({ key });
    return join(root, ...parts);
  }

  return {
    async put(key, source) {
      const path = pathOf(key);
      const temporary = join(temporaries, newUlid());
      try {
        await makeFolder(dirname(path));
        let linked: Linked = 'elsewhere';
        if (!(source instanceof Uint8Array) && source.consumed) {
          await syncFile(source.path);
          linked = await linkTo(source.path, path);
        }
        if (linked === 'elsewhere') {
          await writeDurably(temporary, source);
          linked = await linkTo(temporary, path);
        }
        // Also where another put won: whoever is told that the object exists may rely on it.
        await syncFolder(dirname(path));
        if (linked === 'taken') throw objectErrors.EXISTS({ key });
      } catch (error) {
        throw coded(error, key);
      } finally {
        await rm(temporary, { force: true }).catch(() => {}); // the next sweep takes it
      }
    },

    async remove(key) {
      const path = pathOf(key);
      try {
        const removed = await ifThere(
          unlink(path).then(() => true),
          key,
        );
        if (removed) await syncFolder(dirname(path));
      } catch (error) {
        throw coded(error, key);
      }
    },

    async get(key, range) {
      const path = pathOf(key);
      try {
        const file = await open(path, 'r');
        try {
          const { size } = await file.stat();
          const start = Math.min(range?.start ?? 0, size);
          const bytes = Buffer.alloc(Math.max(0, Math.min(range?.end ?? size, size) - start));
          let at = 0;
          while (at < bytes.length) {
            const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
            if (bytesRead === 0) throw new Error(`the file ends after ${start + at} of ${size} bytes`);
            at += bytesRead;
          }
          return bytes;
        } finally {
          await file.close();
        }
      } catch (error) {
        throw coded(error, key);
      }
    },

    async *list(prefix) {
      if (prefix === '') {
        for (const area of areas.toSorted()) yield* listFolder(join(root, area), `${area}/`);
      } else {
        if (!prefix.endsWith('/')) throw objectErrors.BAD_KEY({ key: prefix });
        yield* listFolder(pathOf(`${prefix}x`).slice(0, -1), prefix);
      }
    },

    locate: pathOf,
  };
}

async function* listFolder(folder: string, prefix: string): AsyncGenerator<{ key: string; bytes: number }> {
  const entries = await ifThere(readdir(folder, { withFileTypes: true }), prefix);
  // A folder sorts as its keys do, which all have a slash behind its name.
  const named = (entries ?? []).map(entry => ({ entry, name: entry.isDirectory() ? `${entry.name}/` : entry.name }));
  named.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  for (const { entry, name } of named) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      yield* listFolder(path, prefix + name);
    } else {
      const found = await ifThere(stat(path), prefix + name);
      if (found !== undefined) yield { key: prefix + name, bytes: found.size };
    }
  }
}

/** The answer about a file or folder, or undefined where there is none, or none any more. */
async function ifThere<T>(asked: Promise<T>, key: string): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw coded(error, key);
  }
}

async function writeDurably(path: string, source: { path: string } | Uint8Array): Promise<void> {
  if (source instanceof Uint8Array) await writeFile(path, source, { flag: 'wx' });
  else await copyFile(source.path, path, constants.COPYFILE_EXCL);
  await syncFile(path);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

type Linked = 'linked' | 'taken' | 'elsewhere';

/** Gives a file a second name, which never replaces; `elsewhere` where it lies on another file system. */
async function linkTo(file: string, path: string): Promise<Linked> {
  try {
    await link(file, path);
    return 'linked';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return 'taken';
    if (code === 'EXDEV') return 'elsewhere';
    throw error;
  }
}

/** Makes the folder and those above it, each name fsynced. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first) return;
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; there names are durable with their journal.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function sweep(folder: string): Promise<void> {
  const oldestMs = Date.now() - staleAfterMs;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < oldestMs) await unlink(path).catch(() => {}); // somebody else sweeps too
  }
}

function coded(error: unknown, key: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || code.startsWith('OBJECTS_')) return error;
  if (code === 'ENOENT') return objectErrors.NOT_FOUND({ key }, error);
  return objectErrors.UNAVAILABLE({ key, reason: message }, error);
}
