import type { Damage, Hole, Listing } from './archive-listing.ts';
import { describeHole } from './explanation.ts';
import { pictureKinds } from './picture-tables.ts';
import type { Absence } from './picture-verdicts.ts';

export interface PictureEvidence {
  holes: readonly Hole[];
  damaged: readonly Damage[];
  /** By stream. */
  listings: ReadonlyMap<string, Listing>;
}

/** Causes that are told of one picture. */
const causesMax = 3;

/** Where a missing picture was last seen, and what that means, in words. */
export function explainAbsence(absence: Absence, evidence: PictureEvidence): string {
  return [sentBy(absence), ...placeOf(absence, evidence)].join('; ');
}

function sentBy({ kind, hasLedger, settledMs }: Absence): string {
  if (hasLedger) return 'no longer in its outbox';
  if (kind === 'image') return 'a drone sends it before the message that names it';
  return `its drone said at ${new Date(settledMs ?? 0).toISOString()} that nothing waits`;
}

function placeOf({ kind, lay }: Absence, { holes, damaged, listings }: PictureEvidence): string[] {
  const stream = pictureKinds.find(entry => entry.kind === kind)!.stream;
  const { objects = [], packs } = listings.get(stream) ?? {};
  if (lay !== undefined) {
    const bytes = lay.pack === undefined ? undefined : packs?.get(lay.pack);
    const what = bytes === undefined ? 'gone' : `${bytes} bytes long now`;
    return [`archived at ${lay.position} of ${lay.pack ?? 'its pack'}, which is ${what}`];
  }
  const unreadable = new Set(damaged.map(({ object }) => object));
  const causes = [
    ...holes.filter(hole => hole.stream === stream).map(describeHole),
    ...objects.filter(({ key }) => unreadable.has(key)).map(({ key }) => `${key} cannot be read`),
  ];
  if (causes.length === 0) return ['neither in archive nor log, which lack no offset: it never came'];
  const more = causes.length > causesMax ? ` and ${causes.length - causesMax} more` : '';
  return [`perhaps there: ${causes.slice(0, causesMax).join(', ')}${more}`];
}
