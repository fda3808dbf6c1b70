import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { defineErrors } from '../../core/errors.ts';
import { sha256Pattern } from '../../core/ids.ts';
import type { EventLog } from '../../log/event-log.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import { type Evidence, findEvidence, type Search } from './search.ts';

export const usage = `Usage: prestacop evidence --image ID --out FILE [--day DAY] [--force] [--json]

Gets one picture back, from the archive or, if it is not archived yet, from the log; first among the pictures that prove
violations, then among patrol frames. Its SHA-256 must be the id, else nothing is written. Where it was found is told on
standard error. Reads only, and runs beside a live system.

  --image ID   the picture's id, as violations and telemetry name it: 64 hex digits
  --out FILE   the file to make; - for standard output, unless that is a terminal
  --day DAY    of the archive look only at what it received on that UTC day, as 2026-11-25: a search over everything takes
               about a second for 40 GB of pictures; what is only in the log yet is found all the same
  --force      replace FILE where it exists
  --json       tell where it was found as one JSON document on standard output (with --out - on standard error)

Exit code: 0 found and written, 1 not found or damaged, 2 wrong use or FILE cannot be written.
`;

export const evidenceErrors = defineErrors('EVIDENCE', {
  NO_DATA: { misuse: true, message: 'DATA_DIR {dataDir} does not exist, so there is nothing to search' },
  FILE_EXISTS: { misuse: true, message: '{path} exists already; choose another name, or --force to replace it' },
  WRITE_FAILED: { misuse: true, message: '{path} cannot be written' },
  TERMINAL: { misuse: true, message: 'A picture is not written to a terminal: name a file, or pipe the output' },
  WRONG_USE: { misuse: true, message: '{problem}\n\n{usage}' },
});

interface Output {
  write(bytes: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  isTTY?: boolean;
}

export interface EvidenceContext {
  config: { DATA_DIR: string };
  stdout: Output;
  stderr: Output;
  signal: AbortSignal;
  openLog(): Promise<EventLog>;
  openObjects(): Promise<ObjectStore>;
}

/** While it searches for longer than this it says so, as often. */
const quietMs = 2000;

/** Finds the picture, writes it, tells where it was. */
export async function run(args: string[], context: EvidenceContext): Promise<number> {
  const { config, stdout, stderr, signal } = context;
  const { image, out, day, force, json } = parse(args);
  if (out === '-' && stdout.isTTY) throw evidenceErrors.TERMINAL();
  if (out !== '-' && !force && existsSync(out)) throw evidenceErrors.FILE_EXISTS({ path: out });
  if (!existsSync(config.DATA_DIR)) throw evidenceErrors.NO_DATA({ dataDir: config.DATA_DIR });
  let toldAtMs = performance.now();
  const search = await findEvidence(image, {
    objects: await context.openObjects(),
    openLog: context.openLog,
    day,
    signal,
    onProgress: step => {
      if (performance.now() - toldAtMs < quietMs) return;
      toldAtMs = performance.now();
      stderr.write(`evidence: searched ${step}\n`);
    },
  });
  const { found } = search;
  if (found !== undefined) await writePicture(found.bytes, { out, force, stdout });
  if (json) (out === '-' ? stderr : stdout).write(encodeSearch(image, search));
  else stderr.write(describeSearch(image, search));
  return found === undefined ? 1 : 0;
}

function parse(args: string[]): { image: string; out: string; day?: string; force: boolean; json: boolean } {
  const wrong = (problem: string) => evidenceErrors.WRONG_USE({ problem, usage });
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  let values: { image?: string; out?: string; day?: string; force: boolean; json: boolean };
  try {
    values = parseArgs({ args, options: { image: text, out: text, day: text, force: flag, json: flag } }).values;
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const { image, out, ...flags } = values;
  if (image === undefined || !new RegExp(sha256Pattern).test(image))
    throw wrong('--image takes 64 hex digits, in lower case');
  if (out === undefined || out === '') throw wrong('--out takes a file name, or - for standard output');
  const { day } = flags;
  if (day !== undefined && !isDay(day)) throw wrong('--day takes a day as 2026-11-25');
  return { image, out, ...flags };
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true;
}

async function writePicture(
  bytes: Uint8Array,
  { out, force, stdout }: { out: string; force: boolean; stdout: Output },
): Promise<void> {
  if (out === '-') {
    await new Promise<void>((resolve, reject) => {
      stdout.write(bytes, error => (error ? reject(error) : resolve()));
    });
    return;
  }
  try {
    await writeFile(out, bytes, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw evidenceErrors.FILE_EXISTS({ path: out }, error);
    if (code === 'ENOSPC') await rm(out, { force: true }); // half of a picture proves nothing
    throw evidenceErrors.WRITE_FAILED({ path: out }, error);
  }
}

function placeOf({ archived, stream, partition, offset }: Evidence): string {
  if (archived === undefined) return `the log, ${stream} partition ${partition} offset ${offset}`;
  return `${archived.pack}, position ${archived.position}`;
}

function describeSearch(imageId: string, { found, searched, problems }: Search): string {
  const troubles = problems.map(problem => `evidence: ${problem}\n`).join('');
  if (found === undefined) {
    return `${troubles}There is no ${problems.length > 0 ? 'intact ' : ''}picture ${imageId} in ${searched.join(', ')}\n`;
  }
  const { stream, droneId, receivedAtMs, contentType, bytes } = found;
  return `${troubles}${stream} of ${droneId}, received ${new Date(receivedAtMs).toISOString()}
${contentType}, ${bytes.length} bytes, their SHA-256 is the id
from ${placeOf(found)}
`;
}

function encodeSearch(imageId: string, { found, searched, problems }: Search): string {
  const { bytes, archived, offset, ...evidence } = found ?? {};
  const place = found && {
    ...evidence,
    receivedAt: new Date(found.receivedAtMs).toISOString(),
    offset: String(offset),
    bytes: bytes?.length,
    where: archived === undefined ? 'log' : 'archive',
    ...archived,
  };
  return `${JSON.stringify({ imageId, found: found !== undefined, ...place, searched, problems }, null, 2)}\n`;
}
