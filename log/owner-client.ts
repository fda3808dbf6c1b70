import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { AppError } from '../core/errors.ts';
import type { Sink } from './append-queue.ts';
import { logErrors } from './event-log.ts';
import {
  type EndsUpdate,
  frameType,
  type Greeting,
  parseError,
  readFrames,
  securePath,
  sendFrame,
} from './owner-socket.ts';

/** A process that was stopped takes connections and says nothing. */
const greetingWaitMs = 5000;

type Settle = (error?: AppError) => void;

/** Another process's end of the owner's socket. Appends through it keep the same promise: answered once they are durable. */
export class OwnerClient {
  /** Resolves when the connection is gone; `leaving` says that the owner handed over to a bridge. */
  readonly closed: Promise<{ leaving: boolean }>;
  /** Hears of ends that changed since `ends` was last looked at. */
  onEnds: ((updates: EndsUpdate[]) => void) | undefined;
  /** Called before the requests in flight fail. */
  onClosed: (() => void) | undefined;
  #socket: Socket;
  #greeting: Greeting | undefined;
  #waiting = new Map<number, Settle>();
  #requests = 0;

  private constructor(path: string, onGreeted: () => void) {
    const { promise, resolve } = Promise.withResolvers<{ leaving: boolean }>();
    this.closed = promise;
    this.#socket = connect(path);
    let leaving = false;
    this.#socket.on('error', () => {}); // `close` follows
    this.#socket.on('close', () => {
      this.onClosed?.();
      for (const settle of this.#waiting.values()) settle(ownerGone());
      this.#waiting.clear();
      resolve({ leaving });
      onGreeted();
    });
    readFrames(this.#socket, (type, request, body) => {
      if (type === frameType.greeting) {
        this.#greeting = JSON.parse(body.toString());
        onGreeted();
      } else if (type === frameType.ends) {
        const updates: EndsUpdate[] = JSON.parse(body.toString());
        for (const update of updates) this.greeting.ends[update[0]] = update;
        this.onEnds?.(updates);
      } else if (type === frameType.leaving) {
        leaving = true;
      } else {
        const settle = this.#waiting.get(request);
        this.#waiting.delete(request);
        settle?.(type === frameType.failed ? parseError(body) : undefined);
      }
    });
  }

  /** Undefined when nobody listens at `path`, or it does not greet in time or before `signal` aborts. */
  static async connect(path: string, signal: AbortSignal): Promise<OwnerClient | undefined> {
    await securePath(path);
    const { promise, resolve } = Promise.withResolvers<void>();
    const client = new OwnerClient(path, resolve);
    const giveUp = () => client.#socket.destroy();
    const timer = setTimeout(giveUp, greetingWaitMs);
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    return client.#greeting && client;
  }

  /** What the owner said of the log; its ends are kept up to date. */
  get greeting(): Greeting {
    return this.#greeting!;
  }

  sink(index: number): Sink {
    const head = Buffer.alloc(2);
    head.writeUInt16LE(index);
    return (block, done) => this.#request(frameType.append, done, head, block);
  }

  /** Resolves when this process knows every end that was durable at the call. */
  sync(): Promise<void> {
    return this.#ask(frameType.sync);
  }

  /** Resolves when the owner, which is no bridge, has begun to leave; rejects with `LOG_OWNED` when it is one. */
  handOver(): Promise<void> {
    return this.#ask(frameType.handOver);
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return;
    this.#socket.destroy();
    await once(this.#socket, 'close');
  }

  #ask(type: number): Promise<void> {
    return new Promise((resolve, reject) => this.#request(type, error => (error ? reject(error) : resolve())));
  }

  #request(type: number, settle: Settle, ...body: Uint8Array[]): void {
    if (this.#socket.destroyed) {
      settle(ownerGone());
      return;
    }
    const request = this.#requests++ >>> 0;
    this.#waiting.set(request, settle);
    sendFrame(this.#socket, type, request, ...body);
  }
}

function ownerGone(): AppError {
  return logErrors.UNAVAILABLE({ reason: 'the process that writes the log is gone' });
}
