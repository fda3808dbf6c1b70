/** Where a picture lies in its pack. */
interface Place {
  position: number;
  length: number;
}

/** Bytes [start, end) of a pack, with the pictures that lie in them whole. */
export interface PackPart<P extends Place> {
  start: number;
  end: number;
  pictures: readonly P[];
}

/**
 * Divides a pack into parts of at most `partBytes`, or one longer picture: one behind the other they are the pack, and every
 * picture lies whole in one of them. `pictures` are in the order of their positions; those that go on behind the pack's end are in none.
 */
export function* packParts<P extends Place>(
  pictures: readonly P[],
  packBytes: number,
  partBytes: number,
): Iterable<PackPart<P>> {
  const within = pictures.filter(picture => endOf(picture) <= packBytes);
  let next = 0;
  for (let start = 0; start < packBytes; ) {
    const first = next;
    let end = Math.min(start + partBytes, packBytes);
    while (next < within.length && endOf(within[next]!) <= end) next++;
    const cut = within[next];
    // A picture that goes on behind the part begins the next one.
    if (cut !== undefined && cut.position < end) end = cut.position > start ? cut.position : endOf(within[next++]!);
    yield { start, end, pictures: within.slice(first, next) };
    start = end;
  }
}

function endOf({ position, length }: Place): number {
  return position + length;
}
