import { Duplex } from 'node:stream';
import type { Budget } from './budget.ts';
import type { ClosedReason } from './closings.ts';
import { isQos1Publish, type Publish, PublishReader } from './publish-packet.ts';

export interface GuardLimits {
  packetMaxBytes: number;
  /** PUBLISHes without an answer at which no further one of this connection is read; likewise their bytes (B3). */
  unackedMaxPackets: number;
  unackedMaxBytes: number;
  stallTimeoutMs: number;
}

/** Nothing but a PUBLISH needs more: a CONNECT holds ids, a password and a `state` message, a SUBSCRIBE one topic. */
const controlMaxBytes = 64 * 1024;
/** Bytes that Aedes has not taken yet, beyond which nothing more is read. */
const readAheadBytes = 64 * 1024;
/** How long a connection that ends in order may take to read what it was sent. */
const lingerMs = 1000;

const connectType = 1;
const publishType = 3;
/** Its last two bytes are the packet id. */
const puback = Buffer.of(0x40, 2, 0, 0);

/**
 * The duplex between one socket and Aedes (`aedes.handle(guard)`), B3 and B4. It finds the packets' borders by reading
 * fixed headers in place, hands on whole packets only, and reads no further while too much is unanswered. A packet that
 * is too large or whose length is malformed ends the connection at its fixed header. Until `open()` is called only the
 * CONNECT goes through, so a stranger can make the broker hold one small packet.
 *
 * Plain PUBLISHes at QoS 1 do not go to Aedes: `onPublish` takes them, and `acknowledge` answers. None overtakes what
 * came before it: they too are handed on while Aedes has packets to read.
 *
 * What is written is gathered and goes to the socket once a turn: a batch of PUBACKs is one write.
 */
export class Guard extends Duplex {
  /** Why it was closed; whoever is first to know says so. */
  reason: ClosedReason | undefined;

  readonly #socket: Duplex;
  readonly #limits: GuardLimits;
  readonly #budget: Budget;

  #opened = false;
  #onPublish: ((publish: Publish) => void) | undefined;
  readonly #reader = new PublishReader();
  #paused = false;
  #frozen = false;
  #peerEnded = false;
  #consumerFull = false;
  #draining = false;

  // Where the scan stands: bytes of the fixed header read so far, the packet's first byte and length, bytes of it still to come.
  #headerBytes = 0;
  #firstByte = 0;
  #length = 0;
  #missing = 0;
  #packetsSeen = 0;
  /** The beginning of a packet whose end has not come; grows by doubling, so that each byte is copied twice at most. */
  #partial: Buffer | undefined;
  #partialBytes = 0;
  /** What came in the same chunk behind the packet that reached a limit. */
  #rest: Buffer | undefined;
  #stallTimer: NodeJS.Timeout | undefined;

  #unackedPackets = 0;
  #unackedBytes = 0;
  #waking = false;

  #out: Buffer | undefined;
  #outBytes = 0;

  constructor(socket: Duplex, limits: GuardLimits, budget: Budget) {
    super({ readableHighWaterMark: readAheadBytes });
    // mqtt-packet would cork and uncork for every packet it writes; writes are gathered here anyway.
    Object.assign(this, { cork: undefined });
    this.#socket = socket;
    this.#limits = limits;
    this.#budget = budget;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('end', () => {
      this.#peerEnded = true;
      this.#update();
    });
    socket.on('error', () => this.close('lost'));
    socket.on('close', () => this.close('lost'));
  }

  /** The CONNECT was accepted: other packets may follow. Without `onPublish` Aedes gets them all. */
  open(onPublish?: (publish: Publish) => void): void {
    this.#opened = true;
    this.#onPublish = onPublish;
    this.#update();
  }

  /** Reads no further packet; what Aedes has goes on. */
  freeze(): void {
    this.#frozen = true;
    this.#update();
  }

  /** One PUBLISH of `bytes` (its remaining length) is answered. */
  acked(bytes: number): void {
    if (this.destroyed) return;
    this.#unackedPackets--;
    this.#unackedBytes -= bytes;
    this.#budget.give(1, bytes);
    if (this.#paused) this.wake();
  }

  /** Writes the PUBACK of a packet that `onPublish` took. */
  acknowledge(packetId: number): void {
    puback.writeUInt16BE(packetId, 2);
    this.write(puback);
  }

  /** Bytes that the other side has not taken yet. */
  get unsentBytes(): number {
    return this.#outBytes + this.#socket.writableLength;
  }

  close(reason: ClosedReason): void {
    this.reason ??= reason;
    this.destroy();
  }

  /** Looks once more whether to read on, once a turn however often it is asked. */
  wake(): void {
    if (this.#waking) return;
    this.#waking = true;
    setImmediate(() => {
      this.#waking = false;
      this.#update();
    });
  }

  override write(chunk: Buffer | string): boolean {
    const bytes = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length;
    const end = this.#outBytes + bytes;
    if (this.#out === undefined) {
      this.#out = Buffer.allocUnsafe(Math.max(512, bytes));
      process.nextTick(flush, this);
    } else if (end > this.#out.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#out.length, end));
      this.#out.copy(larger, 0, 0, this.#outBytes);
      this.#out = larger;
    }
    if (typeof chunk === 'string') {
      this.#out.write(chunk, this.#outBytes);
    } else if (bytes < 8) {
      for (let at = 0; at < bytes; at++) this.#out[this.#outBytes + at] = chunk[at]!;
    } else {
      chunk.copy(this.#out, this.#outBytes);
    }
    this.#outBytes = end;
    return !this.#draining;
  }

  /** Sends what was gathered in this turn. */
  flush(): void {
    if (this.#out === undefined) return;
    const bytes = this.#out.subarray(0, this.#outBytes);
    this.#out = undefined;
    this.#outBytes = 0;
    if (!this.#socket.writable || this.#socket.write(bytes)) return;
    this.#draining = true;
    this.#update();
  }

  override _read(): void {
    if (!this.#consumerFull) return;
    this.#consumerFull = false;
    this.wake();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.flush();
    clearTimeout(this.#stallTimer);
    this.#budget.forget(this);
    this.#budget.give(this.#unackedPackets, this.#unackedBytes);
    this.#partial = undefined;
    this.#rest = undefined;
    const socket = this.#socket;
    if (error !== null || hasty.has(this.reason) || this.#draining || socket.destroyed) {
      socket.destroy();
    } else {
      // Unread bytes at the time of a close make TCP reset, and the last answer is lost: read and drop them for a while.
      const timer = setTimeout(() => socket.destroy(), lingerMs);
      socket.once('close', () => clearTimeout(timer));
      socket.end();
      socket.resume();
    }
    callback(error);
  }

  #drained(): void {
    this.#draining = false;
    if (this.destroyed) return;
    this.emit('drain');
    this.#update();
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed) return;
    this.#rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#stallTimer?.refresh();
    this.#update();
  }

  /** Reads on where it may, and keeps socket and stall timer in step with that. */
  #update(): void {
    if (this.destroyed) return;
    if (this.#rest !== undefined && !this.#held()) {
      const chunk = this.#rest;
      this.#rest = undefined;
      this.#scan(chunk);
      if (this.destroyed) return;
    }
    const held = this.#rest !== undefined || this.#held();
    if (held !== this.#paused) {
      this.#paused = held;
      if (held) this.#socket.pause();
      else this.#socket.resume();
    }
    if (!held && this.#peerEnded) this.push(null);
    if (!held && this.#insidePacket()) {
      this.#stallTimer ??= setTimeout(() => this.close('stalled'), this.#limits.stallTimeoutMs);
    } else if (this.#stallTimer !== undefined) {
      clearTimeout(this.#stallTimer);
      this.#stallTimer = undefined;
    }
  }

  #insidePacket(): boolean {
    return this.#missing > 0 || this.#headerBytes > 0;
  }

  /** Whether reading must wait. A limit on PUBLISHes matters between packets only: what has begun may come to its end. */
  #held(): boolean {
    if (this.#draining || this.#consumerFull) return true;
    if (this.#insidePacket()) return false;
    if (this.#frozen || (!this.#opened && this.#packetsSeen > 0)) return true;
    if (this.#unackedPackets >= this.#limits.unackedMaxPackets || this.#unackedBytes >= this.#limits.unackedMaxBytes) {
      return true;
    }
    if (!this.#budget.full) return false;
    this.#budget.wait(this);
    return true;
  }

  /** Follows the packets' borders through a chunk; hands on what is whole, keeps what is not. */
  #scan(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0;
    let from = 0; // where the packets begin that are whole and not handed on
    let border = 0; // where the last whole packet ends
    while (at < end) {
      if (this.#missing > 0) {
        const taken = Math.min(this.#missing, end - at);
        this.#missing -= taken;
        at += taken;
      } else if (!this.#readHeader(chunk[at++]!)) {
        if (this.destroyed) return;
        continue;
      }
      if (this.#missing > 0) continue;
      this.#count();
      if (this.#partial !== undefined) {
        this.#keep(chunk.subarray(0, at));
        const packet = this.#partial.subarray(0, this.#partialBytes);
        this.#partial = undefined;
        this.#partialBytes = 0;
        from = at;
        if (!this.#takePublish(packet, packet.length)) this.#handOn(packet);
      } else if (from === border && this.#takePublish(chunk, at)) {
        from = at;
      }
      if (this.destroyed) return;
      border = at;
      if (at < end && this.#held()) {
        this.#rest = chunk.subarray(at);
        break;
      }
    }
    if (border > from) this.#handOn(chunk.subarray(from, border));
    if (this.#rest === undefined && border < end) this.#keep(chunk.subarray(border));
  }

  /** Takes one byte of a fixed header (MQTT 3.1.1, 2.2); true when it was the last. Closes where no packet may follow. */
  #readHeader(byte: number): boolean {
    if (this.#headerBytes === 0) {
      this.#firstByte = byte;
      this.#length = 0;
      this.#headerBytes = 1;
      if (this.#packetsSeen === 0 && byte >> 4 !== connectType) this.close('protocol');
      return false;
    }
    this.#length += (byte & 127) << (7 * (this.#headerBytes - 1));
    this.#headerBytes++;
    if (byte >= 128) {
      if (this.#headerBytes > 4) this.close('malformed');
      return false;
    }
    const { packetMaxBytes } = this.#limits;
    const maxBytes = this.#firstByte >> 4 === publishType ? packetMaxBytes : Math.min(controlMaxBytes, packetMaxBytes);
    if (this.#headerBytes + this.#length > maxBytes) {
      this.close('packet-too-large');
      return false;
    }
    this.#headerBytes = 0;
    this.#missing = this.#length;
    return true;
  }

  #count(): void {
    this.#packetsSeen++;
    if (this.#firstByte >> 4 !== publishType) return;
    this.#unackedPackets++;
    this.#unackedBytes += this.#length;
    this.#budget.take(this.#length);
  }

  /** Whether the packet that ends at `end` was a PUBLISH that Aedes need not see. */
  #takePublish(bytes: Buffer, end: number): boolean {
    if (this.#onPublish === undefined || this.readableLength > 0 || !isQos1Publish(this.#firstByte)) return false;
    const publish = this.#reader.read(bytes, end - this.#length, end);
    if (publish === undefined) return false;
    this.#onPublish(publish);
    return true;
  }

  #keep(bytes: Buffer): void {
    const needed = this.#partialBytes + bytes.length;
    if (this.#partial === undefined || needed > this.#partial.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(2 * needed, needed + this.#missing)));
      this.#partial?.copy(larger, 0, 0, this.#partialBytes);
      this.#partial = larger;
    }
    bytes.copy(this.#partial, this.#partialBytes);
    this.#partialBytes = needed;
  }

  #handOn(packets: Buffer): void {
    if (!this.push(packets)) this.#consumerFull = true;
  }
}

/** Closed by reason of what came: the other side is owed nothing. */
const hasty: ReadonlySet<ClosedReason | undefined> = new Set(['packet-too-large', 'malformed', 'stalled', 'protocol']);

function flush(guard: Guard): void {
  guard.flush();
}
