import type { DroneConnection } from '../core/connection.ts';
import { idPattern } from '../core/ids.ts';
import { encodeTopic } from '../core/topics.ts';

/** What one drone may do, everything else being denied; compared with topics as they come. */
export interface Grant {
  connection: DroneConnection;
  /** Every topic it publishes on begins so. What follows is judged by the bridge: a wrong kind is recorded, not refused. */
  publishPrefix: string;
  /** The one topic of its will. */
  willTopic: string;
  /** The one filter it may subscribe to. */
  commandTopic: string;
}

export function grantFor(connection: DroneConnection): Grant {
  const { fleet, droneId } = connection;
  return {
    connection,
    publishPrefix: encodeTopic({ fleet, droneId, kind: '' }),
    willTopic: encodeTopic({ fleet, droneId, kind: 'state' }),
    commandTopic: encodeTopic({ fleet, droneId, kind: 'command' }),
  };
}

export function mayPublish(grant: Grant, topic: string): boolean {
  return topic.startsWith(grant.publishPrefix);
}

/** Exactly its own commands: no wildcard, no `$share/`, no `$SYS`, nobody else's. */
export function maySubscribe(grant: Grant, filter: string): boolean {
  return filter === grant.commandTopic;
}

/** Return codes of CONNACK (MQTT 3.1.1, 3.2.2.3). */
export const connack = {
  identifierRejected: 2,
  serverUnavailable: 3,
  badCredentials: 4,
  notAuthorized: 5,
} as const;
export type Refusal = (typeof connack)[keyof typeof connack];

/** What a CONNECT asks for, apart from the session. */
export interface ConnectRequest {
  clientId: string;
  username: string | undefined;
  password: Uint8Array | undefined;
  keepaliveSeconds: number;
  willTopic: string | undefined;
}

export interface ConnectRules {
  keepaliveMaxSeconds: number;
  accepting(): boolean;
  authenticate(droneId: string, password: Uint8Array): { fleet: string } | undefined;
}

const droneIdPattern = new RegExp(idPattern);

/**
 * The fleet of the drone that may connect, or the return code. MQTT 3.1.1 has no code for a keep-alive that is too long:
 * it is "identifier rejected", as Mosquitto answers.
 */
export function judgeConnect(request: ConnectRequest, rules: ConnectRules): { fleet: string } | Refusal {
  const { clientId, username, password, keepaliveSeconds, willTopic } = request;
  if (!rules.accepting()) return connack.serverUnavailable;
  if (!droneIdPattern.test(clientId)) return connack.identifierRejected;
  if (keepaliveSeconds === 0 || keepaliveSeconds > rules.keepaliveMaxSeconds) return connack.identifierRejected;
  if (password === undefined || (username !== undefined && username !== clientId)) return connack.badCredentials;
  const drone = rules.authenticate(clientId, password);
  if (drone === undefined) return connack.badCredentials;
  if (willTopic !== undefined && willTopic !== encodeTopic({ ...drone, droneId: clientId, kind: 'state' })) {
    return connack.notAuthorized;
  }
  return { fleet: drone.fleet };
}
