export type SeqRange = readonly [first: number, last: number];

/**
 * A set of positive whole numbers kept as ascending, disjoint, closed ranges that do not touch: millions of sequence
 * numbers without gaps are one pair. Adding at the end is O(1), elsewhere O(log n + ranges moved).
 */
export class SeqRanges {
  #ranges: [number, number][] = [];

  static from(ranges: Iterable<SeqRange>): SeqRanges {
    const set = new SeqRanges();
    for (const [first, last] of ranges) set.addRange(first, last);
    return set;
  }

  get ranges(): readonly SeqRange[] {
    return this.#ranges;
  }

  get count(): number {
    return this.#ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  has(seq: number): boolean {
    const range = this.#ranges[this.#indexFrom(seq)];
    return range !== undefined && range[0] <= seq;
  }

  /** Adds one number; false when it was in already. */
  add(seq: number): boolean {
    const last = this.#ranges.at(-1);
    if (last !== undefined && seq === last[1] + 1) {
      last[1] = seq;
      return true;
    }
    if (this.has(seq)) return false;
    this.addRange(seq, seq);
    return true;
  }

  addRange(first: number, last: number): void {
    if (last < first) return;
    const begin = this.#indexFrom(first - 1);
    let end = begin;
    let [low, high] = [first, last];
    while (end < this.#ranges.length && this.#ranges[end]![0] <= last + 1) {
      low = Math.min(low, this.#ranges[end]![0]);
      high = Math.max(high, this.#ranges[end]![1]);
      end++;
    }
    this.#ranges.splice(begin, end - begin, [low, high]);
  }

  addAll(ranges: Iterable<SeqRange>): void {
    for (const [first, last] of ranges) this.addRange(first, last);
  }

  /** The numbers of this set that are not in `other`. */
  minus(other: SeqRanges): SeqRanges {
    const result = new SeqRanges();
    for (const [first, last] of this.#ranges) {
      let next = first;
      for (let index = other.#indexFrom(first); index < other.#ranges.length; index++) {
        const [low, high] = other.#ranges[index]!;
        if (low > last) break;
        if (low > next) result.#ranges.push([next, low - 1]);
        next = Math.max(next, high + 1);
      }
      if (next <= last) result.#ranges.push([next, last]);
    }
    return result;
  }

  /** Index of the first range that ends at `seq` or later. */
  #indexFrom(seq: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]![1] < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
