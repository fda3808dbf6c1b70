import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { Compile } from 'typebox/schema';
import { type MessageKind, messageKinds } from '../core/messages.ts';
import { parseTopic, type Topic } from '../core/topics.ts';
import type { Headers } from '../log/event-log.ts';
import { type Adapter, AdapterError } from './adapters/adapter.ts';
import type { RejectionReason } from './rejections.ts';

/** Where a message goes: its own stream, or `rejected` with headers that say why. The payload is stored as received. */
export interface Verdict {
  stream: string;
  headers: Headers;
  reason?: RejectionReason;
}

/** What the headers of every record from this connection say. */
export interface Stamp {
  node: string;
  connection: string;
}

/**
 * Judges messages. One for a connection: it remembers the topics the drone uses, so that a message of a known topic costs
 * no parsing and shares its headers object with the others received in the same millisecond.
 */
export type Judge = (topic: string, payload: Buffer, receivedAtMs: number) => Verdict;

type Check = {
  Check(value: unknown): boolean;
  Errors(value: unknown): [well: boolean, errors: { instancePath: string; message: string }[]];
};

interface Route {
  topic: Topic;
  kind: MessageKind;
  check: Check | undefined;
  headersAtMs: number;
  headers: Headers;
}

const aheadMaxMs = 24 * 3600 * 1000;
const millisecondsFrom = 1e12;
const topicsRemembered = 32;
/** A record's headers hold at most 64 KiB, and a character takes up to three bytes. */
const adaptedMaxLength = 16 * 1024;

const checks = new Map<string, Check>();
const kinds = new Map(messageKinds.map(kind => [kind.kind, kind]));

function checkOf(kind: MessageKind): Check | undefined {
  if (kind.schema === undefined) return undefined;
  let check = checks.get(kind.kind);
  if (check === undefined) {
    check = Compile(kind.schema) as unknown as Check;
    checks.set(kind.kind, check);
  }
  return check;
}

export function createJudge(stamp: Stamp, adapter?: Adapter): Judge {
  const routes = new Map<string, Route | RejectionReason>();

  function routeOf(topic: string): Route | RejectionReason {
    let route = routes.get(topic);
    if (route === undefined) {
      route = findRoute(topic);
      if (routes.size < topicsRemembered && (typeof route === 'string' || route.kind.content === 'json')) {
        routes.set(topic, route);
      }
    }
    return route;
  }

  function acceptedHeaders(route: Route, topic: string, receivedAtMs: number): Headers {
    if (route.headersAtMs !== receivedAtMs) {
      route.headersAtMs = receivedAtMs;
      route.headers = {
        topic,
        kind: route.kind.kind,
        node: stamp.node,
        connection: stamp.connection,
        receivedAtMs: String(receivedAtMs),
        contentType: 'application/json',
      };
    }
    return route.headers;
  }

  // No closures here: this runs for every message.
  return (topic, payload, receivedAtMs) => {
    const route = routeOf(topic);
    if (typeof route === 'string') return reject(route, topic, payload, receivedAtMs);
    const { kind } = route;
    if (payload.byteLength === 0) return reject('EMPTY', topic, payload, receivedAtMs);
    if (payload.byteLength > kind.maxPayloadBytes) {
      const detail = `${payload.byteLength} bytes, at most ${kind.maxPayloadBytes}`;
      return reject('TOO_LARGE', topic, payload, receivedAtMs, detail);
    }
    if (kind.content === 'picture') {
      if (hash('sha256', payload) !== route.topic.imageId) return reject('WRONG_HASH', topic, payload, receivedAtMs);
      const contentType = pictureType(payload);
      if (contentType === undefined) return reject('NOT_A_PICTURE', topic, payload, receivedAtMs);
      return { stream: kind.stream, headers: { ...acceptedHeaders(route, topic, receivedAtMs), contentType } };
    }
    let message: unknown;
    if (adapter === undefined) {
      if (!isUtf8(payload)) return reject('NOT_UTF8', topic, payload, receivedAtMs);
      try {
        message = JSON.parse(payload.toString('utf8'));
      } catch {
        return reject('NOT_JSON', topic, payload, receivedAtMs);
      }
    } else {
      try {
        message = adapter(route.topic, payload);
      } catch (error) {
        if (!(error instanceof AdapterError)) throw error;
        return reject('ADAPTER_FAILED', topic, payload, receivedAtMs, error.message);
      }
    }
    const problem = findProblem(message, route, receivedAtMs);
    if (problem !== undefined) return reject(problem.reason, topic, payload, receivedAtMs, problem.detail);
    const headers = acceptedHeaders(route, topic, receivedAtMs);
    if (adapter === undefined) return { stream: kind.stream, headers };
    const text = JSON.stringify(message);
    if (text.length > adaptedMaxLength) {
      const detail = `the message is ${text.length} characters, at most ${adaptedMaxLength}`;
      return reject('ADAPTER_FAILED', topic, payload, receivedAtMs, detail);
    }
    return { stream: kind.stream, headers: { ...headers, message: text, contentType: 'application/octet-stream' } };
  };

  function reject(
    reason: RejectionReason,
    topic: string,
    payload: Buffer,
    receivedAtMs: number,
    detail?: string,
  ): Verdict {
    const parsed = parseTopic(topic);
    const headers = {
      reason,
      topic: topic.slice(0, 1024),
      ...(detail === undefined ? {} : { detail: detail.slice(0, 512) }),
      ...(parsed === undefined ? {} : { kind: parsed.kind, droneId: parsed.droneId, fleet: parsed.fleet }),
      ...identityIn(payload),
      node: stamp.node,
      connection: stamp.connection,
      receivedAtMs: String(receivedAtMs),
    };
    return { stream: 'rejected', headers, reason };
  }
}

/** By the first bytes, as the two formats' specifications give them. */
function pictureType(payload: Buffer): string | undefined {
  if (payload.length > 3 && payload.readUIntBE(0, 3) === 0xffd8ff) return 'image/jpeg';
  if (payload.length > 8 && payload.readUInt32BE(0) === 0x89504e47) return 'image/png';
  return undefined;
}

function findRoute(text: string): Route | RejectionReason {
  const topic = parseTopic(text);
  if (topic === undefined) return 'BAD_TOPIC';
  const kind = kinds.get(topic.kind);
  if (kind === undefined) return 'UNKNOWN_KIND';
  if (kind.direction === 'down') return 'WRONG_DIRECTION';
  if ((kind.content === 'picture') !== (topic.imageId !== undefined)) return 'BAD_TOPIC';
  return { topic, kind, check: checkOf(kind), headersAtMs: 0, headers: {} };
}

type Problem = { reason: RejectionReason; detail?: string };

function findProblem(message: unknown, { topic, check }: Route, receivedAtMs: number): Problem | undefined {
  if (check?.Check(message)) {
    const { droneId, fleet, observedAtMs } = message as { droneId: string; fleet: string; observedAtMs: number };
    if (droneId !== topic.droneId || fleet !== topic.fleet) return { reason: 'ID_MISMATCH' };
    if (observedAtMs > receivedAtMs + aheadMaxMs) return { reason: 'TIME_AHEAD' };
    return undefined;
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return { reason: 'NOT_JSON' };
  const { v, seq, droneId, fleet, observedAtMs } = message as Record<string, unknown>;
  if (v !== 1) return { reason: 'WRONG_VERSION' };
  if (droneId !== topic.droneId || fleet !== topic.fleet) return { reason: 'ID_MISMATCH' };
  if (seq !== undefined && !(Number.isSafeInteger(seq) && (seq as number) >= 1)) return { reason: 'BAD_SEQ' };
  if (typeof observedAtMs === 'number') {
    if (observedAtMs >= 0 && observedAtMs < millisecondsFrom) return { reason: 'TIME_IN_SECONDS' };
    if (observedAtMs > receivedAtMs + aheadMaxMs) return { reason: 'TIME_AHEAD' };
  }
  const first = check?.Errors(message)[1][0];
  return {
    reason: 'INVALID',
    detail: first === undefined ? undefined : `${first.instancePath || '/'} ${first.message}`,
  };
}

const searchedBytes = 64 * 1024;

/** B9: epoch and seq by byte search, also in a message that is no JSON, so that the audit can tell a rejection from a loss. */
function identityIn(payload: Buffer): { epoch?: string; seq?: string } {
  const text = payload.toString('latin1', 0, searchedBytes);
  const epoch = /"epoch"\s*:\s*"([0-7][0-9A-HJKMNP-TV-Z]{25})"/.exec(text)?.[1];
  const seq = /"seq"\s*:\s*([1-9]\d{0,15})(?!\d|\.|[eE])/.exec(text)?.[1];
  return { ...(epoch === undefined ? {} : { epoch }), ...(seq === undefined ? {} : { seq }) };
}
