import type { LedgerEntry, PictureCount } from '../../core/ledger.ts';
import type { StoredRecord } from '../../log/event-log.ts';
import type { ObjectStore } from '../archive/object-store.ts';
import type { Damage, Hole, Listing } from './archive-listing.ts';
import type { Engine } from './engine.ts';
import { checkPictures, hashes } from './picture-check.ts';
import { explainAbsence } from './picture-explanation.ts';
import {
  type DamagedPicture,
  emptyPictureSheet,
  listedMax,
  type Naming,
  type PictureReport,
  type PictureSheet,
  type Sample,
  type UnaccountedPictures,
} from './picture-report.ts';
import { type PictureKind, PictureTables, pictureKinds, places } from './picture-tables.ts';
import { judgePictures } from './picture-verdicts.ts';

export interface FinishDeps {
  objects: ObjectStore;
  /** By stream. */
  listings: ReadonlyMap<string, Listing>;
  holes: readonly Hole[];
  /** Is completed: packs that differ, and which pictures lie in damaged ones. */
  damaged: Damage[];
  counts: readonly PictureCount[];
  /** Refused for space, by what devices without a ledger say. */
  refusedByDevices: ReadonlyMap<string, number>;
  sample: Sample;
  verify: boolean;
  signal: AbortSignal;
  onProgress: (step: string) => void;
}

const namesInDamage = 5;

/** The audit of pictures: fed with what archive and log hold, then asked once for its report. */
export class PictureAudit {
  readonly tables: PictureTables;
  #engine: Engine;
  #checked = new Map<string, number>();
  #damagedCount = new Map<string, number>();
  #damaged = new Map<string, DamagedPicture>();

  private constructor(engine: Engine, tables: PictureTables) {
    this.#engine = engine;
    this.tables = tables;
  }

  static async open(engine: Engine): Promise<PictureAudit> {
    return new PictureAudit(engine, await PictureTables.open(engine));
  }

  /** Every (drone, epoch) with a ledger, with its count of the messages that name frames. */
  addLedgers(ledgers: readonly LedgerEntry[]): void {
    for (const { droneId, epoch, kind, made } of ledgers) {
      this.tables.addAccount({ droneId, epoch, made: kind === 'telemetry' ? made : 0 });
    }
  }

  /** A picture in the log, whose bytes are hashed in passing. */
  addLogged(kind: PictureKind, record: StoredRecord, partition: number): void {
    const imageId = this.tables.addStored(kind, record);
    if (imageId === undefined) return;
    this.#noteChecked(kind.kind);
    if (hashes(record.payload, imageId)) return;
    this.#noteDamaged({
      kind: kind.kind,
      imageId,
      droneId: record.key,
      where: `offset ${record.offset} of the log of ${kind.stream} partition ${partition}`,
      problem: 'its bytes do not hash to its id',
    });
  }

  /** Judges and hashes; once, when everything was added. */
  async finish(deps: FinishDeps): Promise<PictureReport> {
    const { objects, listings, holes, damaged, counts, refusedByDevices, sample, verify, signal, onProgress } = deps;
    this.tables.flush();
    onProgress('comparing the pictures named with those stored');
    const verdicts = await judgePictures(this.#engine);
    const archived = pictureKinds.map(kind => {
      const { objects: indexes = [], packs = new Map() } = listings.get(kind.stream) ?? {};
      return { kind, indexes, packs };
    });
    onProgress('hashing pictures');
    const result = {
      checked: (kind: string) => this.#noteChecked(kind),
      damaged: (picture: DamagedPicture) => this.#noteDamaged(picture),
    };
    damaged.push(
      ...(await checkPictures(archived, { engine: this.#engine, objects, signal, sample, verify, onProgress }, result)),
    );
    await this.#nameInDamage(damaged);
    const kinds: Record<string, PictureSheet> = {};
    for (const { kind } of pictureKinds) {
      const ledgers = counts.filter(count => count.kind === kind);
      kinds[kind] = {
        ...emptyPictureSheet(),
        ...verdicts.counts[kind],
        refused: ledgers.reduce((sum, { refused }) => sum + refused, refusedByDevices.get(kind) ?? 0),
        checked: this.#checked.get(kind) ?? 0,
        damaged: this.#damagedCount.get(kind) ?? 0,
      };
    }
    const unaccounted = await this.#unaccounted(counts);
    const bad = Object.values(kinds).reduce((sum, sheet) => sum + sheet.missing + sheet.damaged, 0);
    return {
      ok: bad + unaccounted.length === 0,
      kinds,
      missing: verdicts.missing.map(absence => ({
        kind: absence.kind,
        imageId: absence.imageId,
        namedBy: absence.namedBy,
        lastSeen: explainAbsence(absence, { holes, damaged, listings }),
      })),
      rejected: verdicts.rejected,
      damaged: await this.#namedDamage(),
      unproven: verdicts.unproven,
      unaccounted,
      sample,
    };
  }

  #noteChecked(kind: string): void {
    this.#checked.set(kind, (this.#checked.get(kind) ?? 0) + 1);
  }

  /** Once, also for a picture that is hashed twice. */
  #noteDamaged(picture: DamagedPicture): void {
    if (this.#damaged.has(picture.where)) return;
    this.#damagedCount.set(picture.kind, (this.#damagedCount.get(picture.kind) ?? 0) + 1);
    if (this.#damaged.size < listedMax) this.#damaged.set(picture.where, picture);
  }

  /** The damaged pictures, each with the first message that names it. */
  async #namedDamage(): Promise<DamagedPicture[]> {
    const pictures = [...this.#damaged.values()];
    if (pictures.length === 0) return [];
    const ids = [...new Set(pictures.map(({ imageId }) => `unhex('${imageId}')`))].join(', ');
    const rows = await this.#engine.rows(`
select kind, lower(hex(id)) as image_id, drone_id, epoch, seq from named where id in (${ids})
qualify row_number() over (partition by kind, id order by sent_ms, drone_id, seq) = 1`);
    return pictures.map(picture => {
      const row = rows.find(({ kind, image_id }) => kind === picture.kind && image_id === picture.imageId);
      if (row === undefined) return picture;
      const kind = pictureKinds.find(entry => entry.kind === picture.kind)!.namedBy;
      const namedBy: Naming = {
        droneId: String(row.drone_id),
        epoch: String(row.epoch),
        kind,
        seq: Number(row.seq),
      };
      return { ...picture, namedBy };
    });
  }

  /** Says of damaged packs how many pictures their indexes place there, and which come first. */
  async #nameInDamage(damaged: readonly Damage[]): Promise<void> {
    const packs = damaged.filter(({ index }) => index !== undefined);
    if (packs.length === 0) return;
    const keys = packs.map(({ object }) => `'${object.replaceAll("'", "''")}'`).join(', ');
    const rows = await this.#engine.rows(`
select p.key, count(*)::double as ids, list(lower(hex(id)) order by position)[1:${namesInDamage}] as first
from stored join pack p on p.number = stored.pack where p.key in (${keys}) group by p.key`);
    for (const damage of packs) {
      const row = rows.find(({ key }) => key === damage.object);
      if (row === undefined) continue;
      const first = row.first as string[];
      const count = Number(row.ids);
      damage.problem += `; in it are ${count} pictures by ${damage.index}: ${first.join(' ')}${count > first.length ? ' ...' : ''}`;
    }
  }

  /**
   * Each PUBACK stands for a record of its own, so a drone has never more of them than records: where it has, at least the
   * difference is lost, named or not. (The other way round proves nothing: a picture may be delivered twice, and counts
   * begin anew with the outbox.) Of several outboxes the one that counts most: a copy counts what the first one had counted.
   */
  async #unaccounted(counts: readonly PictureCount[]): Promise<UnaccountedPictures[]> {
    if (counts.length === 0) return [];
    const stored = places.archive | places.log;
    const rows = await this.#engine.rows(`
select kind, drone_id, count(*) filter (place & ${stored} > 0)::double as stored, count(*) filter (place = 0)::double as rejected
from (select kind, drone_id, place from stored union all select kind, drone_id, 0::utinyint from rejected)
group by kind, drone_id`);
    const found = new Map(rows.map(row => [`${row.kind}/${row.drone_id}`, row]));
    const acknowledged = new Map<string, UnaccountedPictures>();
    for (const { kind, droneId, acknowledged: count } of counts) {
      const key = `${kind}/${droneId}`;
      const row = found.get(key);
      acknowledged.set(key, {
        kind,
        droneId,
        acknowledged: Math.max(count, acknowledged.get(key)?.acknowledged ?? 0),
        stored: Number(row?.stored ?? 0),
        rejected: Number(row?.rejected ?? 0),
      });
    }
    return [...acknowledged.values()].filter(entry => entry.acknowledged > entry.stored + entry.rejected);
  }
}
