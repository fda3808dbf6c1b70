/**
 * One iterable of several, in the order in which their values arrive; holds at most one value of each. Ends when all have
 * ended; when it is left early, or one throws, the others are ended too.
 */
export async function* mergeBatches<T>(sources: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  if (sources.length === 1) {
    yield* sources[0]!;
    return;
  }
  const ask = (source: AsyncGenerator<T>) => source.next().then(result => ({ source, result }));
  const asked = new Map(sources.map(source => [source, ask(source)]));
  try {
    while (asked.size > 0) {
      const { source, result } = await Promise.race(asked.values());
      asked.delete(source);
      if (result.done) continue;
      yield result.value;
      asked.set(source, ask(source));
    }
  } finally {
    for (const pending of asked.values()) pending.catch(() => {});
    // A source that waits ends only when its signal aborts, so it is not waited for.
    for (const source of sources) source.return(undefined).catch(() => {});
  }
}
