import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { logErrors } from './event-log.ts';
import type { LogIdentity } from './log-owner.ts';
import {
  type EndsUpdate,
  frameType,
  type Greeting,
  readFrames,
  securePath,
  sendError,
  sendFrame,
  sendJson,
} from './owner-socket.ts';
import type { PartitionView } from './partition-view.ts';
import { countBlock } from './segment-codec.ts';

export interface OwnerServerOptions {
  path: string;
  identity: LogIdentity;
  views: readonly PartitionView[];
  append: (view: PartitionView, block: Buffer) => Promise<void>;
  /** A bridge asks for the log: throws `LOG_OWNED`, or begins to hand over. */
  handOver: () => void;
}

/** Told of ends only while it takes them: a process that is stopped gets the newest once it goes on. */
const backlogMaxBytes = 1024 * 1024;

const farewellMs = 500;

/** The owner's end of the local socket (L6). */
export class OwnerServer {
  #options: OwnerServerOptions;
  #server: Server;
  /** The partitions each connection has not been told of, by index. */
  #connections = new Map<Socket, Set<number>>();
  #flushScheduled = false;

  private constructor(options: OwnerServerOptions) {
    this.#options = options;
    this.#server = createServer(socket => this.#serve(socket));
  }

  /** Only for the holder of the lock: whatever lies at the path is a dead owner's. */
  static async open(options: OwnerServerOptions): Promise<OwnerServer> {
    const server = new OwnerServer(options);
    await securePath(options.path);
    if (process.platform !== 'win32') await rm(options.path, { force: true });
    server.#server.listen(options.path);
    await once(server.#server, 'listening');
    options.views.forEach((view, index) => {
      view.onUpdate = () => server.#changed(index);
    });
    return server;
  }

  async close({ leaving }: { leaving: boolean }): Promise<void> {
    for (const view of this.#options.views) view.onUpdate = undefined;
    for (const socket of this.#connections.keys()) {
      this.#flush(socket);
      if (leaving) sendFrame(socket, frameType.leaving, 0);
      socket.end(() => socket.destroy());
    }
    // A process that is stopped takes no farewell.
    const timer = setTimeout(() => {
      for (const socket of this.#connections.keys()) socket.destroy();
    }, farewellMs);
    await new Promise(resolve => this.#server.close(resolve));
    clearTimeout(timer);
  }

  #serve(socket: Socket): void {
    const { identity, views } = this.#options;
    this.#connections.set(socket, new Set());
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => {}); // `close` follows
    const greeting: Greeting = {
      ...identity,
      partitions: views.map(({ stream, partition }) => ({ stream, partition })),
      ends: views.map((_, index) => this.#update(index)),
    };
    sendJson(socket, frameType.greeting, 0, greeting);
    readFrames(socket, (type, request, body) => {
      this.#answer(type, body).then(
        () => {
          this.#flush(socket);
          sendFrame(socket, frameType.done, request);
        },
        error => sendError(socket, request, error),
      );
    });
  }

  async #answer(type: number, body: Buffer): Promise<void> {
    if (type === frameType.sync) return;
    if (type === frameType.handOver) return this.#options.handOver();
    if (type !== frameType.append) throw logErrors.UNAVAILABLE({ reason: `unknown request ${type}` });
    const view = this.#options.views[body.readUInt16LE(0)];
    const block = body.subarray(2);
    if (view === undefined || countBlock(block) === undefined) {
      throw logErrors.UNAVAILABLE({ reason: 'the request is not well-formed' });
    }
    await this.#options.append(view, block);
  }

  #changed(index: number): void {
    for (const changed of this.#connections.values()) changed.add(index);
    if (this.#flushScheduled || this.#connections.size === 0) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      for (const socket of this.#connections.keys()) {
        if (socket.writableLength < backlogMaxBytes) this.#flush(socket);
        else socket.once('drain', () => this.#flush(socket));
      }
    });
  }

  #flush(socket: Socket): void {
    const changed = this.#connections.get(socket);
    if (changed === undefined || changed.size === 0) return;
    sendJson(
      socket,
      frameType.ends,
      0,
      Array.from(changed, index => this.#update(index)),
    );
    changed.clear();
  }

  #update(index: number): EndsUpdate {
    const { earliest, end, activeBase, bytes } = this.#options.views[index]!;
    return [index, earliest, end, activeBase, bytes];
  }
}
