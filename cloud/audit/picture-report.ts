/** Counts of pictures by their ids. named = archived + inLog + inFlight + rejected + unproven + newer + missing. */
export interface PictureSheet {
  /** Ids that messages in archive or log name. */
  named: number;
  archived: number;
  /** In the log only: the archive has not come so far. */
  inLog: number;
  /** In the outbox of a drone whose ledger can be read. */
  inFlight: number;
  rejected: number;
  /** Frames of drones without a ledger that may still be on their way: the device alone knows. */
  unproven: number;
  /** Frames named by messages that were numbered after the audit began. */
  newer: number;
  /** Named, and none of the above. */
  missing: number;
  /** In archive or log, and named by no message yet. */
  unnamed: number;
  /** Deliveries after the first, in archive and log. */
  redelivered: number;
  /** Refused for space by the drones. */
  refused: number;
  /** Whose bytes were hashed: all in the log, of the archived ones the sample, and all in a pack that differs from the manifest. */
  checked: number;
  /** Whose bytes do not hash to their id. */
  damaged: number;
}

/** The sheet's columns, in the order of the data path. */
export const pictureSheetNames = [
  'named',
  'archived',
  'inLog',
  'inFlight',
  'rejected',
  'unproven',
  'newer',
  'missing',
  'unnamed',
  'redelivered',
  'refused',
  'checked',
  'damaged',
] as const satisfies readonly (keyof PictureSheet)[];

export function emptyPictureSheet(): PictureSheet {
  return Object.fromEntries(pictureSheetNames.map(name => [name, 0])) as unknown as PictureSheet;
}

/** A message that names a picture. */
export interface Naming {
  droneId: string;
  epoch: string;
  kind: string;
  seq: number;
}

export interface MissingPicture {
  kind: string;
  imageId: string;
  namedBy: Naming;
  lastSeen: string;
}

export interface RejectedPicture {
  kind: string;
  imageId: string;
  namedBy: Naming;
  reason: string;
  /** In `rejected`. */
  offset: bigint;
}

export interface DamagedPicture {
  kind: string;
  imageId: string;
  droneId: string;
  /** In words: place and object. */
  where: string;
  problem: string;
  /** Undefined where no message names it. */
  namedBy?: Naming;
}

/** More PUBACKs of a drone than archive, log and `rejected` hold records of it. */
export interface UnaccountedPictures {
  kind: string;
  droneId: string;
  acknowledged: number;
  stored: number;
  rejected: number;
}

/** How many archived pictures are hashed; the seed chooses which. */
export interface Sample {
  size: number | 'all';
  seed: number;
}

export interface PictureReport {
  ok: boolean;
  kinds: Record<string, PictureSheet>;
  /** These lists hold at most `listedMax` entries each; the sheets count all. */
  missing: MissingPicture[];
  rejected: RejectedPicture[];
  damaged: DamagedPicture[];
  unproven: { droneId: string; count: number }[];
  unaccounted: UnaccountedPictures[];
  sample: Sample;
}

export const listedMax = 1000;
