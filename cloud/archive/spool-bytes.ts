/** Bytes that grow; used again after `clear`. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(4096);
  length = 0;

  /** A view that holds until the next write. */
  get written(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.length++] = value;
  }

  /** A whole number within 2^53, as 64 bits little-endian. */
  int64(value: number): void {
    this.#reserve(8);
    this.#int32(value, this.length);
    this.#int32(Math.floor(value / 2 ** 32), this.length + 4);
    this.length += 8;
  }

  /** Bytes after their length in 32 bits: Parquet's PLAIN BYTE_ARRAY. */
  bytes(value: Uint8Array): void {
    this.#reserve(4 + value.length);
    this.#int32(value.length, this.length);
    this.#buffer.set(value, this.length + 4);
    this.length += 4 + value.length;
  }

  text(value: string): void {
    this.#reserve(4 + value.length * 3);
    const length = value === '' ? 0 : this.#buffer.write(value, this.length + 4, 'utf8');
    this.#int32(length, this.length);
    this.length += 4 + length;
  }

  /** One bit each, the first in the lowest. */
  bits(values: readonly number[]): void {
    const bytes = Math.ceil(values.length / 8);
    this.#reserve(bytes);
    this.#buffer.fill(0, this.length, this.length + bytes);
    for (let index = 0; index < values.length; index++) {
      if (values[index] === 1) this.#buffer[this.length + (index >> 3)]! |= 1 << (index & 7);
    }
    this.length += bytes;
  }

  varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.length);
    this.length += value.length;
  }

  /** The low 32 bits; Buffer's own method costs three times as much. */
  #int32(value: number, at: number): void {
    const buffer = this.#buffer;
    buffer[at] = value;
    buffer[at + 1] = value >>> 8;
    buffer[at + 2] = value >>> 16;
    buffer[at + 3] = value >>> 24;
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + bytes));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}

/**
 * Thrift's compact protocol, as far as a Parquet footer needs it: non-negative numbers, texts, lists, structures.
 * Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
export class ThriftWriter {
  #out = new ByteWriter();
  #lastField = [0];

  i32(field: number, value: number): void {
    this.#field(field, 5);
    this.listed(value);
  }

  i64(field: number, value: number): void {
    this.#field(field, 6);
    this.listed(value);
  }

  text(field: number, value: string): void {
    this.#field(field, 8);
    this.listedText(value);
  }

  struct(field: number, write: () => void): void {
    this.#field(field, 12);
    this.element(write);
  }

  /** Begins a list of `count` elements of that type; they follow by `listed`, `listedText` or `element`. */
  list(field: number, type: number, count: number): void {
    this.#field(field, 9);
    if (count < 15) {
      this.#out.byte(count * 16 + type);
    } else {
      this.#out.byte(0xf0 + type);
      this.#out.varint(count);
    }
  }

  listed(value: number): void {
    this.#out.varint(value * 2);
  }

  listedText(value: string): void {
    const bytes = Buffer.from(value);
    this.#out.varint(bytes.length);
    this.#out.raw(bytes);
  }

  element(write: () => void): void {
    this.#lastField.push(0);
    write();
    this.#out.byte(0);
    this.#lastField.pop();
  }

  /** Ends the outermost structure. */
  finish(): Buffer {
    this.#out.byte(0);
    return Buffer.from(this.#out.written);
  }

  #field(field: number, type: number): void {
    const depth = this.#lastField.length - 1;
    this.#out.byte((field - this.#lastField[depth]!) * 16 + type);
    this.#lastField[depth] = field;
  }
}
