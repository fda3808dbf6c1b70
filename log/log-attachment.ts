import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { hasCode } from '../core/errors.ts';
import type { Logger } from '../core/logging.ts';
import type { Health } from '../core/service.ts';
import type { Stream } from '../core/streams.ts';
import { AppendQueue } from './append-queue.ts';
import { asLogError, logErrors } from './event-log.ts';
import { GroupPositions } from './group-positions.ts';
import { identifyLog, type LogIdentity, type LogLimits, LogOwner, preparePartitions } from './log-owner.ts';
import { OwnerClient } from './owner-client.ts';
import { takeOwnerLock } from './owner-lock.ts';
import { OwnerServer } from './owner-server.ts';
import { ownerSocketPath } from './owner-socket.ts';
import { PartitionView } from './partition-view.ts';
import { makeFolder, type WriteCalls } from './segment-files.ts';

export interface AttachmentOptions {
  dataDir: string;
  limits: LogLimits;
  logger: Logger;
  role: 'bridge' | 'other';
  now: () => number;
  monotonicMs: () => number;
  streams: readonly Pick<Stream, 'name' | 'archived'>[];
  partitions: Readonly<Record<string, number>>;
  writeCalls: WriteCalls;
}

export interface Partition {
  view: PartitionView;
  queue: AppendQueue;
  archived: boolean;
}

/** How long appends wait between two owners before they fail. */
const ownerWaitMs = 5000;
const ownerPollMs = 10;
/** How long a process without an owner is healthy: one takes over from another in much less. */
const aloneMaxMs = 3000;
/** How long the lock is left to the bridge that asked for it. */
const bridgeTurnMs = 2000;

/** What a process is to the log: its owner, or connected to the owner, or for a moment neither. */
type State =
  | { kind: 'owner'; owner: LogOwner; server: OwnerServer; release: () => void }
  | { kind: 'client'; client: OwnerClient }
  | { kind: 'none'; problem?: string };

/**
 * Keeps this process attached to the log (L6): takes the lock where nobody holds it, connects to the owner where somebody
 * does, changes over when the owner is lost or a bridge asks. Views and queues outlive every change.
 */
export class LogAttachment {
  readonly streams = new Map<string, Partition[]>();
  #options: AttachmentOptions;
  #folder: string;
  #socketPath: string;
  #identity: LogIdentity | undefined;
  #positions: GroupPositions | undefined;
  #state: State = { kind: 'none' };
  #closing = new AbortController();
  #detachedAtMs = Number.NEGATIVE_INFINITY;
  #leaveLockUntilMs = Number.NEGATIVE_INFINITY;
  #changing: Promise<void> = Promise.resolve();

  private constructor(options: AttachmentOptions, folder: string, socketPath: string) {
    this.#options = options;
    this.#folder = folder;
    this.#socketPath = socketPath;
  }

  static async open(options: AttachmentOptions): Promise<LogAttachment> {
    const folder = join(options.dataDir, 'log');
    let attachment: LogAttachment | undefined;
    try {
      await makeFolder(folder);
      attachment = new LogAttachment(options, folder, ownerSocketPath(await realpath(options.dataDir)));
      const attached = attachment.#attach();
      attachment.#changing = attached.catch(() => {});
      await attached;
      return attachment;
    } catch (error) {
      if (attachment !== undefined) attachment.#positions?.close();
      throw asLogError(error);
    }
  }

  get identity(): LogIdentity {
    return this.#identity!;
  }

  get positions(): GroupPositions {
    return this.#positions!;
  }

  /** Aborts when the log is being closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Resolves when the views' ends are not older than the call. */
  async refresh(): Promise<void> {
    const deadlineMs = performance.now() + ownerWaitMs;
    while (performance.now() < deadlineMs) {
      if (this.#state.kind === 'owner') return;
      try {
        if (this.#state.kind === 'client') return await this.#state.client.sync();
      } catch {
        // The owner was lost meanwhile: the next one is asked.
      }
      if (this.#closing.signal.aborted) throw logErrors.CLOSED();
      await wait(ownerPollMs);
    }
    throw this.#unavailable();
  }

  health(): Health {
    if (this.#state.kind === 'owner') return this.#state.owner.health();
    if (this.#state.kind === 'client') return { ok: true };
    const { problem } = this.#state;
    const aloneMs = this.#options.monotonicMs() - this.#detachedAtMs;
    if (problem === undefined && aloneMs < aloneMaxMs) return { ok: true };
    return { ok: false, problem: problem ?? this.#unavailable().message };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#changing;
    if (this.#state.kind === 'none') this.#failQueues();
    await this.#detach({ drain: true });
    this.#positions?.close();
  }

  #partitions(): Partition[] {
    return [...this.streams.values()].flat();
  }

  async #attach(): Promise<void> {
    const deadlineMs = performance.now() + ownerWaitMs;
    while (!this.#closing.signal.aborted) {
      if (performance.now() >= this.#leaveLockUntilMs) {
        const lock = await takeOwnerLock(this.#folder);
        if (lock !== undefined) return this.#own(lock.release);
      }
      const client = await OwnerClient.connect(this.#socketPath, this.closing);
      if (client !== undefined && this.#options.role === 'other') return this.#join(client);
      if (client !== undefined) await this.#askForLog(client);
      if (performance.now() > deadlineMs) throw this.#unavailable();
      await wait(ownerPollMs);
    }
  }

  /** Resolves when the owner has left or is gone; rejects with `LOG_OWNED` when it is a bridge. */
  async #askForLog(client: OwnerClient): Promise<void> {
    const timeout = setTimeout(() => client.close(), ownerWaitMs);
    try {
      await client.handOver();
      await client.closed;
    } catch (error) {
      if (!hasCode(error, 'LOG_UNAVAILABLE')) throw error;
    } finally {
      clearTimeout(timeout);
      await client.close();
    }
  }

  #unavailable() {
    return logErrors.UNAVAILABLE({ reason: `the process that holds it does not answer at ${this.#socketPath}` });
  }

  async #own(release: () => void): Promise<void> {
    const { logger, limits, now, monotonicMs, streams, partitions, writeCalls, dataDir, role } = this.#options;
    let owner: LogOwner | undefined;
    try {
      const identity = await identifyLog(this.#folder);
      this.#identify(identity);
      const counts = await Promise.all(
        streams.map(({ name }) => preparePartitions(this.#folder, name, partitions[name])),
      );
      streams.forEach(({ name }, index) => {
        this.#known(name, counts[index]!);
      });
      const all = this.#partitions();
      owner = await LogOwner.open(all, identity.salt, writeCalls, {
        limits,
        logger,
        positions: this.positions,
        now,
        monotonicMs,
      });
      const server = await OwnerServer.open({
        path: this.#socketPath,
        identity,
        views: all.map(({ view }) => view),
        append: (view, block) => this.streams.get(view.stream)![view.partition]!.queue.pushBlock(block),
        handOver: () => {
          if (role === 'bridge') throw logErrors.OWNED({ dataDir, pid: process.pid });
          this.#change(() => this.#handOver());
        },
      });
      this.#state = { kind: 'owner', owner, server, release };
      for (const { view, queue } of all) queue.connect(owner.sink(view));
    } catch (error) {
      await owner?.close();
      release();
      throw error;
    }
  }

  #join(client: OwnerClient): void {
    const { greeting } = client;
    this.#identify(greeting);
    for (const [stream, list] of Map.groupBy(greeting.partitions, ({ stream }) => stream)) {
      this.#known(stream, list.length);
    }
    const joined = greeting.partitions.map(({ stream, partition }) => this.streams.get(stream)![partition]!);
    client.onEnds = updates => {
      for (const [index, earliest, end, activeBase, bytes] of updates) {
        joined[index]!.view.update({ earliest, end, activeBase, bytes });
      }
    };
    client.onEnds(greeting.ends);
    this.#state = { kind: 'client', client };
    joined.forEach(({ queue }, index) => {
      queue.connect(client.sink(index));
    });
    client.onClosed = () => this.#disconnect();
    client.closed.then(({ leaving }) => {
      if (this.#state.kind !== 'client' || this.#state.client !== client) return;
      if (leaving) this.#leaveLockUntilMs = performance.now() + bridgeTurnMs;
      this.#options.logger.info({ leaving }, 'the process that writes the log is gone, looking for the next');
      this.#change(() => this.#detach({}));
    });
  }

  #identify(identity: LogIdentity): void {
    if (this.#identity !== undefined && this.#identity.logId !== identity.logId) {
      throw logErrors.UNAVAILABLE({ reason: 'the log was replaced while it was in use; start again' });
    }
    this.#identity = { logId: identity.logId, salt: identity.salt };
    this.#positions ??= new GroupPositions(this.#folder, identity.logId);
  }

  #known(stream: string, count: number): void {
    if (this.streams.has(stream)) return;
    const wanted = this.#options.partitions[stream];
    if (wanted !== undefined && wanted !== count) throw logErrors.PARTITIONS({ stream, partitions: count, wanted });
    const archived = this.#options.streams.find(({ name }) => name === stream)?.archived ?? false;
    const list = Array.from({ length: count }, (_, partition) => ({
      view: new PartitionView(stream, partition, join(this.#folder, stream, String(partition))),
      queue: new AppendQueue(),
      archived,
    }));
    this.streams.set(stream, list);
  }

  /** Leaves the present state by `leave`, then attaches again, until that works or the log is closed. */
  #change(leave: () => Promise<void>): void {
    this.#changing = this.#changing.then(async () => {
      await leave();
      while (this.#state.kind === 'none' && !this.#closing.signal.aborted) {
        try {
          await this.#attach();
        } catch (error) {
          this.#options.logger.warn({ error }, 'no process takes appends to the log');
          this.#state = { kind: 'none', problem: (error as Error).message };
          this.#failQueues();
          await wait(ownerPollMs * 20, undefined, { signal: this.#closing.signal }).catch(() => {});
        }
      }
    });
  }

  #failQueues(): void {
    for (const { queue } of this.#partitions()) queue.fail(this.#unavailable());
  }

  async #handOver(): Promise<void> {
    if (this.#state.kind !== 'owner') return; // somebody asked twice
    this.#options.logger.info({}, 'handing the log over to a bridge');
    this.#leaveLockUntilMs = performance.now() + bridgeTurnMs;
    await this.#detach({ leaving: true });
  }

  /** Before it resolves, the block of each partition that is on its way settles; with `drain` everything that waits. */
  async #detach({ leaving = false, drain = false }: { leaving?: boolean; drain?: boolean }): Promise<void> {
    const state = this.#state;
    const partitions = this.#partitions();
    if (state.kind === 'owner') {
      await state.server.close({ leaving });
      // Blocks of other processes that were not begun: those processes know that they must send them again.
      for (const { queue } of partitions) queue.dropBlocks(this.#unavailable());
    }
    if (drain) await Promise.all(partitions.map(({ queue }) => queue.drained()));
    this.#disconnect();
    this.#state = { kind: 'none' };
    this.#detachedAtMs = this.#options.monotonicMs();
    await Promise.all(partitions.map(({ queue }) => queue.settled()));
    if (state.kind === 'client') await state.client.close();
    if (state.kind !== 'owner') return;
    await state.owner.close();
    state.release();
  }

  #disconnect(): void {
    for (const { queue } of this.#partitions()) queue.connect(undefined);
  }
}
