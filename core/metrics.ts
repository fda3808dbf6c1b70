import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** A number, or one number for each set of labels. Labels come from closed lists, never from what a client sent. */
export type Reading = number | readonly (readonly [labels: Record<string, string>, value: number])[];

/**
 * What a stage counts is a plain number in the stage; it is read when somebody scrapes, so counting costs the hot path nothing.
 * Prometheus names: `prestacop_{stage}_{what}_{unit}`, counters end in `_total`.
 */
export interface Metrics {
  counter(name: string, help: string, read: () => Reading): void;
  gauge(name: string, help: string, read: () => Reading): void;
  /** The Prometheus text exposition of everything registered. */
  expose(): Promise<{ contentType: string; body: string }>;
}

export function createMetrics(options: { processMetrics: boolean } = { processMetrics: false }): Metrics {
  const registry = new Registry();
  if (options.processMetrics) collectDefaultMetrics({ register: registry });

  function register(kind: 'counter' | 'gauge', name: string, help: string, read: () => Reading): void {
    const first = read();
    const labelNames = typeof first === 'number' ? [] : [...new Set(first.flatMap(([labels]) => Object.keys(labels)))];
    const settings = { name, help, labelNames, registers: [registry] };
    const metric =
      kind === 'counter'
        ? new Counter({
            ...settings,
            collect() {
              this.reset();
              for (const [labels, value] of rows(read())) this.inc(labels, value);
            },
          })
        : new Gauge({
            ...settings,
            collect() {
              this.reset();
              for (const [labels, value] of rows(read())) this.set(labels, value);
            },
          });
    registry.registerMetric(metric as Counter);
  }

  return {
    counter: (name, help, read) => register('counter', name, help, read),
    gauge: (name, help, read) => register('gauge', name, help, read),
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

function rows(reading: Reading): readonly (readonly [Record<string, string>, number])[] {
  return typeof reading === 'number' ? [[{}, reading]] : reading;
}
