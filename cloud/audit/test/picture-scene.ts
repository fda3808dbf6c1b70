import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { silentLogger } from '../../../core/logging.ts';
import { messageKinds } from '../../../core/messages.ts';
import { createMetrics } from '../../../core/metrics.ts';
import { streams } from '../../../core/streams.ts';
import { encodeTopic } from '../../../core/topics.ts';
import type { LogRecord } from '../../../log/event-log.ts';
import { startArchive } from '../../archive/archive.ts';
import type { ObjectStore } from '../../archive/object-store.ts';
import { openObjectStore } from '../../archive/open.ts';
import { type AuditDeps, type AuditReport, audit } from '../audit.ts';
import { epoch, openScene, recordOf, type Scene } from './scene.ts';

export interface Picture {
  id: string;
  bytes: Buffer;
}

/** Bytes that nobody asks to be a picture behind the bridge, and their id. */
export function picture(text: string): Picture {
  const bytes = Buffer.from(`the picture ${text}`.padEnd(200, '.'));
  return { id: createHash('sha256').update(bytes).digest('hex'), bytes };
}

export function pictures(prefix: string, count: number): Picture[] {
  return Array.from({ length: count }, (_, index) => picture(`${prefix} ${index}`));
}

export interface PictureScene extends Scene {
  objects: ObjectStore;
  /** Appends the pictures to their stream. */
  store(droneId: string, kind: 'image' | 'frame', ...taken: Picture[]): Promise<void>;
  /** Appends a telemetry or violation that names pictures; with a ledger of the drone unless told otherwise. */
  name(
    droneId: string,
    kind: 'telemetry' | 'violation',
    seq: number,
    named: readonly Picture[],
    options?: { ledger?: boolean; observedAtMs?: number },
  ): Promise<void>;
  /** Puts pictures into the drone's outbox, without PUBACK. */
  wait(droneId: string, kind: 'image' | 'frame', ...taken: Picture[]): void;
  /** Archives all that the log holds of pictures and of messages that name them. */
  archive(): Promise<void>;
  audit(options?: Partial<AuditDeps>): Promise<AuditReport>;
}

const archivedStreams = ['telemetry', 'violation', 'image', 'frame', 'state', 'rejected'];

export async function openPictureScene(t: TestContext, env: Record<string, string> = {}): Promise<PictureScene> {
  const scene = await openScene(t, { ARCHIVE_RUN_WINDOW_SECONDS: '86400', ...env });
  const { dataDir, config, log, ledger } = scene;
  const objects = await openObjectStore(config);
  return {
    ...scene,
    objects,
    async store(droneId, kind, ...taken) {
      await log.append(
        kind,
        taken.map(({ id, bytes }) => pictureRecord(droneId, kind, id, bytes)),
      );
    },
    async name(droneId, kind, seq, named, { ledger: hasLedger = true, observedAtMs = Date.now() } = {}) {
      const { example } = messageKinds.find(entry => entry.kind === kind)!;
      const field = kind === 'violation' ? 'images' : 'frames';
      const message = { ...example, droneId, epoch, seq, observedAtMs, [field]: named.map(({ id }) => id) };
      await log.append(kind, [recordOf(droneId, kind, Buffer.from(JSON.stringify(message)))]);
      if (!hasLedger) return;
      ledger.exec(`
        insert into ledger (drone_id, epoch, kind, fleet, made) values ('${droneId}', '${epoch}', '${kind}', 'nyc', ${seq})
        on conflict do update set made = excluded.made;
        insert into acknowledged values ('${droneId}', '${epoch}', '${kind}', ${seq}, ${seq})`);
    },
    wait(droneId, kind, ...taken) {
      const insert = ledger.prepare(
        'insert into picture (drone_id, kind, image_id, file, position, length) values (?, ?, ?, 1, 0, 200)',
      );
      for (const { id } of taken) insert.run(droneId, kind, Buffer.from(id, 'hex'));
    },
    async archive() {
      const some = streams.filter(({ name }) => archivedStreams.includes(name));
      const deps = { log, objects, logger: silentLogger, metrics: createMetrics(), streams: some };
      await (await startArchive(config, deps)).stop();
    },
    audit: options => audit({ dataDir, log, objects, signal: t.signal, seed: 1, ...options }),
  };
}

/** A picture's record, in its own stream or with a reason in `rejected`. */
export function pictureRecord(
  droneId: string,
  kind: string,
  imageId: string,
  payload: Buffer,
  more: Record<string, string> = {},
): LogRecord {
  const topic = encodeTopic({ fleet: 'nyc', droneId, kind, imageId });
  return recordOf(droneId, kind, payload, { contentType: 'image/jpeg', ...more, topic });
}

/** The sheet of a kind without its zeros. */
export function sheetOf({ pictures: { kinds } }: AuditReport, kind: string): Record<string, number> {
  return Object.fromEntries(Object.entries(kinds[kind]!).filter(([, count]) => count > 0));
}
