import type { Topic } from '../../core/topics.ts';

/** Raised by an adapter for a payload that it cannot read: the message goes to `rejected` as ADAPTER_FAILED. */
export class AdapterError extends Error {}

/**
 * Reads a fleet's own payload format: a pure function from topic and bytes to the message as docs/messages.md has it.
 * The result is checked like any other message and stored beside the original bytes, which stay the payload.
 */
export type Adapter = (topic: Topic, payload: Uint8Array) => Record<string, unknown>;
