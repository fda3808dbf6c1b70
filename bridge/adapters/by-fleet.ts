import { defineErrors } from '../../core/errors.ts';
import type { Adapter } from './adapter.ts';
import { adapt as compact } from './compact.ts';

export const adapterErrors = defineErrors('BRIDGE', {
  UNKNOWN_ADAPTER: { misuse: true, message: 'BRIDGE_ADAPTERS names the adapter "{name}"; there is: {known}' },
});

/** Every adapter by its name; a new one is a file in this folder and a line here. */
const adapters: Record<string, Adapter> = { compact };

/** The adapters of `fleet=name,...` by fleet. Fails with BRIDGE_UNKNOWN_ADAPTER. */
export function parseAdapters(text: string): Map<string, Adapter> {
  const byFleet = new Map<string, Adapter>();
  for (const pair of text === '' ? [] : text.split(',')) {
    const [fleet, name] = pair.split('=') as [string, string];
    const adapter = Object.hasOwn(adapters, name) ? adapters[name] : undefined;
    if (adapter === undefined) throw adapterErrors.UNKNOWN_ADAPTER({ name, known: Object.keys(adapters).join(', ') });
    byFleet.set(fleet, adapter);
  }
  return byFleet;
}
