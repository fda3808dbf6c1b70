import { Aedes, type Client, type PublishPacket } from 'aedes';

export type { AuthenticateError, Client, PublishPacket } from 'aedes';

type Done = (error?: Error) => void;

/**
 * Aedes without the in-process re-publish of what drones send: it went into the log, and nobody subscribes to it here.
 * Only Aedes's own `$SYS` messages pass; without its heartbeats it takes itself for dead and publishes the wills of
 * living clients after four minutes (B5). A will that it publishes itself, without a client, goes nowhere.
 */
export class DroneAedes extends Aedes {
  /** Aedes itself calls it in both ways: with the client for what drones send, without for its own. */
  override publish(packet: PublishPacket, client?: Client | Done | null, callback?: Done): void {
    if (typeof client !== 'function') callback?.();
    else if (packet.topic.startsWith('$SYS/')) super.publish(packet, client);
    else client();
  }
}
