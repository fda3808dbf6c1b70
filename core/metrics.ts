import type { Registry } from 'prom-client';

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

interface Registered {
  kind: 'Counter' | 'Gauge';
  name: string;
  help: string;
  read: () => Reading;
}

export function createMetrics(options: { processMetrics: boolean } = { processMetrics: false }): Metrics {
  const registered: Registered[] = [];
  let registry: Promise<Registry> | undefined;
  return {
    counter: (name, help, read) => void registered.push({ kind: 'Counter', name, help, read }),
    gauge: (name, help, read) => void registered.push({ kind: 'Gauge', name, help, read }),
    async expose() {
      registry ??= openRegistry(options.processMetrics);
      const opened = await registry;
      const client = await import('prom-client');
      for (const { kind, name, help, read } of registered.splice(0)) {
        const rows = () => {
          const reading = read();
          return typeof reading === 'number' ? [[{}, reading] as const] : reading;
        };
        const labelNames = [...new Set(rows().flatMap(([labels]) => Object.keys(labels)))];
        new client[kind]({
          name,
          help,
          labelNames,
          registers: [opened],
          collect() {
            this.reset();
            for (const [labels, value] of rows()) this.inc(labels, value);
          },
        });
      }
      return { contentType: opened.contentType, body: await opened.metrics() };
    },
  };
}

/** Loaded at the first scrape: a start need not wait for it. */
async function openRegistry(processMetrics: boolean): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  if (processMetrics) collectDefaultMetrics({ register: registry });
  return registry;
}
