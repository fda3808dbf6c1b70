import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/schema';
import { idPattern, sha256Pattern } from './ids.ts';
import { parseJson } from './json.ts';

/** A fact of the stream `account` about a drone; key is the drone's id. No clear secret is in the log. */
const DroneAccount = Type.Object({
  v: Type.Literal(1),
  subject: Type.Literal('drone'),
  action: Type.Union([Type.Literal('add'), Type.Literal('revoke')]),
  droneId: Type.String({ pattern: idPattern }),
  fleet: Type.String({ pattern: idPattern }),
  /** SHA-256 of the password: it is random and 256 bits long, so a slow hash would protect nothing. */
  passwordSha256: Type.Optional(Type.String({ pattern: sha256Pattern })),
  atMs: Type.Integer({ minimum: 0 }),
});
export type DroneAccount = Static<typeof DroneAccount>;

const check = Compile(DroneAccount);

/** The fact in a record's payload, or undefined for a record about somebody else or one that cannot be read. */
export function parseDroneAccount(payload: Uint8Array): DroneAccount | undefined {
  const value = parseJson(payload);
  return check.Check(value) ? value : undefined;
}

/** A new password of 256 random bits, as 43 characters of base64url. */
export function newPassword(): string {
  return randomBytes(32).toString('base64url');
}

export function passwordSha256(password: string | Uint8Array): string {
  return createHash('sha256').update(password).digest('hex');
}

/** The drones that may connect: a fold of the stream `account`, the same in every process that has read as far. */
export class DroneAccounts {
  #drones = new Map<string, { fleet: string; sha256: Buffer }>();
  #named = new Set<string>();

  /**
   * Applies one fact. Ids are unique over all fleets: an `add` for a drone that another fleet has is ignored, one for
   * the same fleet replaces the password. Returns the id of a drone whose connections must end, if any.
   */
  apply(fact: DroneAccount): string | undefined {
    this.#named.add(fact.droneId);
    const known = this.#drones.get(fact.droneId);
    if (known !== undefined && known.fleet !== fact.fleet) return undefined;
    if (fact.action === 'revoke') {
      this.#drones.delete(fact.droneId);
      return known === undefined ? undefined : fact.droneId;
    }
    if (fact.passwordSha256 === undefined) return undefined;
    this.#drones.set(fact.droneId, { fleet: fact.fleet, sha256: Buffer.from(fact.passwordSha256, 'hex') });
    return known !== undefined && known.sha256.toString('hex') !== fact.passwordSha256 ? fact.droneId : undefined;
  }

  /** Whether any fact was ever about this drone, also one that was revoked since. */
  knows(droneId: string): boolean {
    return this.#named.has(droneId);
  }

  fleetOf(droneId: string): string | undefined {
    return this.#drones.get(droneId)?.fleet;
  }

  /** The drone's fleet when the password is right. */
  authenticate(droneId: string, password: Uint8Array): { fleet: string } | undefined {
    const drone = this.#drones.get(droneId);
    const given = Buffer.from(passwordSha256(password), 'hex');
    return drone !== undefined && timingSafeEqual(drone.sha256, given) ? { fleet: drone.fleet } : undefined;
  }

  get size(): number {
    return this.#drones.size;
  }
}
