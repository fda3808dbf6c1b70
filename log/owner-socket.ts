import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { AppError } from '../core/errors.ts';
import { asLogError, logErrors } from './event-log.ts';

/** macOS takes 103 bytes for a socket's path, Linux 107. */
const pathMaxBytes = 103;

/** Where the owner of the log in `dataDir` (its real path) listens. */
export function ownerSocketPath(dataDir: string): string {
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 24);
  if (process.platform === 'win32') return `\\\\.\\pipe\\prestacop-${name}`;
  const below = (folder: string) => join(folder, `prestacop-${userInfo().uid}`, `${name}.sock`);
  const path = below(tmpdir());
  return Buffer.byteLength(path) <= pathMaxBytes ? path : below('/tmp');
}

/** Makes sure that nobody else can listen or connect at the socket's path. */
export async function securePath(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = dirname(path);
  await mkdir(folder, { mode: 0o700, recursive: true });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== userInfo().uid || (found.mode & 0o077) !== 0) {
    throw logErrors.UNAVAILABLE({ reason: `${folder} must be a folder that only its user may enter (mode 0700)` });
  }
}

/*
 * Frames, little-endian: bytes that follow (32 bits), type (8), request (32), body.
 * The owner greets, then tells of durable ends by itself; requests are answered with `done` or `failed`.
 */
export const frameType = {
  /** Body: JSON of `Greeting`. */
  greeting: 1,
  /** Body: JSON of `EndsUpdate[]`. */
  ends: 2,
  /** The owner hands over to a bridge. */
  leaving: 3,
  done: 4,
  /** Body: JSON of code, message, retryable, detail. */
  failed: 5,
  /** Body: index in the greeting's partitions (16 bits), then a block. */
  append: 16,
  /** Answered after every end that was durable when it came. */
  sync: 17,
  handOver: 18,
} as const;

export type EndsUpdate = [index: number, earliest: number, end: number, activeBase: number, bytes: number];

export interface Greeting {
  logId: string;
  salt: number;
  partitions: { stream: string; partition: number }[];
  ends: EndsUpdate[];
}

const frameHeadBytes = 9;
/** A block is at most a commit and the record that overflows it; anything much larger is no frame of ours. */
const frameMaxBytes = 32 * 1024 * 1024;

export function sendFrame(socket: Socket, type: number, request: number, ...body: Uint8Array[]): void {
  const head = Buffer.allocUnsafe(frameHeadBytes);
  head.writeUInt32LE(body.reduce((sum, { byteLength }) => sum + byteLength, frameHeadBytes - 4));
  head.writeUInt8(type, 4);
  head.writeUInt32LE(request, 5);
  socket.cork();
  socket.write(head);
  for (const part of body) socket.write(part);
  socket.uncork();
}

export function sendJson(socket: Socket, type: number, request: number, body: unknown): void {
  sendFrame(socket, type, request, Buffer.from(JSON.stringify(body)));
}

export function sendError(socket: Socket, request: number, error: unknown): void {
  const { code, message, retryable, detail } = asLogError(error);
  sendJson(socket, frameType.failed, request, { code, message, retryable, detail });
}

export function parseError(body: Buffer): AppError {
  const { code, message, retryable, detail } = JSON.parse(body.toString());
  return new AppError(code, message, { retryable, detail });
}

/** Cuts what a socket receives into frames; a frame too long to be ours destroys the socket. */
export function readFrames(socket: Socket, onFrame: (type: number, request: number, body: Buffer) => void): void {
  let chunks: Buffer[] = [];
  let held = 0;
  let needed = frameHeadBytes;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= needed) {
      const bytes: Buffer = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, held);
      chunks = [bytes];
      const frameBytes = 4 + bytes.readUInt32LE(0);
      if (frameBytes > frameMaxBytes || frameBytes < frameHeadBytes) {
        socket.destroy();
        return;
      }
      needed = frameBytes;
      if (held < needed) return;
      chunks = held === frameBytes ? [] : [bytes.subarray(frameBytes)];
      held -= frameBytes;
      needed = frameHeadBytes;
      onFrame(bytes.readUInt8(4), bytes.readUInt32LE(5), bytes.subarray(frameHeadBytes, frameBytes));
    }
  });
}
