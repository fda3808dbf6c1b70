/** A PUBLISH at QoS 1. */
export interface Publish {
  topic: string;
  packetId: number;
  /** A view of the bytes it was read from. */
  payload: Buffer;
  /** The packet's remaining length. */
  length: number;
}

/** Whether a packet's first byte says PUBLISH at QoS 1; the flags DUP and RETAIN may be set. */
export function isQos1Publish(firstByte: number): boolean {
  return (firstByte & 0xf6) === 0x32;
}

/** Drones' own topics look so. */
const plainTopic = /^[\w.-]+(?:\/[\w.-]+){0,15}$/;

/**
 * Reads plain PUBLISHes at QoS 1 (MQTT 3.1.1, 3.3), which are nearly all that drones send. One for a connection: its
 * topics repeat, so the last one is kept, as bytes and as text.
 */
export class PublishReader {
  #topicBytes: Buffer = Buffer.alloc(0);
  #topic = '';

  /**
   * The packet whose variable header begins at `start`, ending at `end`. Undefined where it is malformed or its topic is
   * out of the ordinary: what is to happen then, a complete parser knows.
   */
  read(bytes: Buffer, start: number, end: number): Publish | undefined {
    const topicAt = start + 2;
    if (topicAt > end) return undefined;
    const idAt = topicAt + bytes.readUInt16BE(start);
    const payloadAt = idAt + 2;
    if (payloadAt > end) return undefined;
    const packetId = bytes.readUInt16BE(idAt);
    if (packetId === 0) return undefined;
    if (!this.#isLastTopic(bytes, topicAt, idAt)) {
      const topic = bytes.toString('latin1', topicAt, idAt);
      if (!plainTopic.test(topic)) return undefined;
      this.#topic = topic;
      this.#topicBytes = Buffer.from(topic, 'latin1');
    }
    return { topic: this.#topic, packetId, payload: bytes.subarray(payloadAt, end), length: end - start };
  }

  #isLastTopic(bytes: Buffer, start: number, end: number): boolean {
    const last = this.#topicBytes;
    if (last.length === 0 || end - start !== last.length) return false;
    for (let index = last.length - 1; index >= 0; index--) {
      if (bytes[start + index] !== last[index]) return false;
    }
    return true;
  }
}
