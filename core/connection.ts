/** One MQTT connection of one drone, as broker and bridge speak of it. Compared by identity. */
export interface DroneConnection {
  /** ULID, made by the broker at CONNECT; in record headers as `connection`, and greater for the newer connection. */
  readonly id: string;
  readonly fleet: string;
  readonly droneId: string;
}
