import { type FileHandle, open } from 'node:fs/promises';
import { ByteWriter, ThriftWriter } from './spool-bytes.ts';

/** One record of a run as the spool takes it. `droneId` '', `epoch` '' and `seq` 0 mean no identity, `adapted` '' that the payload is the message. */
export interface SpoolRow {
  offset: bigint;
  timeMs: number;
  key: string;
  headers: Readonly<Record<string, string>>;
  kind: string;
  /** The bytes, or in a stream of pictures where they lie in the run's pack. */
  payload: Uint8Array | { position: number; length: number };
  redelivery: boolean;
  droneId: string;
  epoch: string;
  seq: number;
  adapted: string;
}

// Parquet's numbers for what is used here (parquet.thrift).
const physical = { boolean: 0, int64: 2, byteArray: 6 };
const thrift = { i32: 5, binary: 8, struct: 12 };
const required = 0;
const repeated = 2;
const utf8 = 0;
const mapType = 1;

interface SpoolColumn {
  name: string;
  path?: readonly string[];
  type: number;
  utf8?: true;
}

const columnsOf = (packed: boolean): readonly SpoolColumn[] => [
  { name: 'offset', type: physical.int64 },
  { name: 'time_us', type: physical.int64 },
  { name: 'key', type: physical.byteArray, utf8: true },
  { name: 'kind', type: physical.byteArray, utf8: true },
  ...(packed
    ? [
        { name: 'position', type: physical.int64 },
        { name: 'length', type: physical.int64 },
      ]
    : [{ name: 'payload', type: physical.byteArray }]),
  { name: 'redelivery', type: physical.boolean },
  { name: 'drone_id', type: physical.byteArray, utf8: true },
  { name: 'epoch', type: physical.byteArray, utf8: true },
  { name: 'seq', type: physical.int64 },
  { name: 'adapted', type: physical.byteArray, utf8: true },
  { name: 'headers', path: ['headers', 'key_value', 'key'], type: physical.byteArray, utf8: true },
  { name: 'headers', path: ['headers', 'key_value', 'value'], type: physical.byteArray, utf8: true },
];

interface Chunk {
  position: number;
  bytes: number;
  values: number;
}

const groupMaxRows = 2048;
const groupMaxBytes = 1024 * 1024;

/**
 * A run on its way into DuckDB: a Parquet file without compression or dictionaries, which costs little more to write than the
 * bytes it holds, and which DuckDB reads in portions. (Its appender takes one native call a value and holds the whole run;
 * measured in bench/archive.ts.) Format: https://parquet.apache.org/docs/file-format/
 */
export class Spool {
  #file: FileHandle;
  #packed: boolean;
  #position = 0;
  #rows = 0;
  #groups: { rows: number; chunks: Chunk[] }[] = [];

  #offset = new ByteWriter();
  #time = new ByteWriter();
  #key = new ByteWriter();
  #kind = new ByteWriter();
  #payload = new ByteWriter();
  #packPosition = new ByteWriter();
  #packLength = new ByteWriter();
  #redelivery = new ByteWriter();
  #droneId = new ByteWriter();
  #epoch = new ByteWriter();
  #seq = new ByteWriter();
  #adapted = new ByteWriter();
  #names = new ByteWriter();
  #values = new ByteWriter();
  /** One bit a header: 0 where a row begins; and 0 where that row has none. */
  #repetition: number[] = [];
  #definition: number[] = [];
  #redelivered: number[] = [];
  #groupRows = 0;

  private constructor(file: FileHandle, packed: boolean) {
    this.#file = file;
    this.#packed = packed;
  }

  /** With `packed` its rows have `position` and `length` in place of `payload`. */
  static async create(path: string, packed: boolean): Promise<Spool> {
    const spool = new Spool(await open(path, 'wx'), packed);
    try {
      await spool.#write(Buffer.from('PAR1'));
    } catch (error) {
      await spool.close();
      throw error;
    }
    return spool;
  }

  get rows(): number {
    return this.#rows;
  }

  /** True when `flush` is due before more rows are added. */
  get full(): boolean {
    return (
      this.#groupRows >= groupMaxRows ||
      this.#payload.length + this.#adapted.length + this.#names.length + this.#values.length >= groupMaxBytes
    );
  }

  add(row: SpoolRow): void {
    this.#offset.int64(Number(row.offset));
    this.#time.int64(row.timeMs * 1000);
    this.#key.text(row.key);
    this.#kind.text(row.kind);
    if (row.payload instanceof Uint8Array) {
      this.#payload.bytes(row.payload);
    } else {
      this.#packPosition.int64(row.payload.position);
      this.#packLength.int64(row.payload.length);
    }
    this.#redelivered.push(row.redelivery ? 1 : 0);
    this.#droneId.text(row.droneId);
    this.#epoch.text(row.epoch);
    this.#seq.int64(row.seq);
    this.#adapted.text(row.adapted);
    let level = 0;
    for (const name in row.headers) {
      this.#names.text(name);
      this.#values.text(row.headers[name]!);
      this.#repetition.push(level);
      this.#definition.push(1);
      level = 1;
    }
    if (level === 0) {
      this.#repetition.push(0);
      this.#definition.push(0);
    }
    this.#groupRows++;
    this.#rows++;
  }

  /** Writes the rows since the last flush as one row group. */
  async flush(): Promise<void> {
    const rows = this.#groupRows;
    if (rows === 0) return;
    this.#redelivery.bits(this.#redelivered);
    const levels = Buffer.concat([encodeLevels(this.#repetition), encodeLevels(this.#definition)]);
    const entries = this.#repetition.length;
    const flat = [
      this.#offset,
      this.#time,
      this.#key,
      this.#kind,
      ...(this.#packed ? [this.#packPosition, this.#packLength] : [this.#payload]),
      this.#redelivery,
      this.#droneId,
      this.#epoch,
      this.#seq,
      this.#adapted,
    ];
    const chunks: Chunk[] = [];
    for (const column of flat) chunks.push(await this.#writeChunk(column, rows));
    for (const column of [this.#names, this.#values]) chunks.push(await this.#writeChunk(column, entries, levels));
    this.#groups.push({ rows, chunks });
    this.#repetition = [];
    this.#definition = [];
    this.#redelivered = [];
    this.#groupRows = 0;
  }

  /** Writes what is left and the footer. */
  async finish(): Promise<void> {
    await this.flush();
    const footer = encodeFooter(columnsOf(this.#packed), this.#rows, this.#groups);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    await this.#write(Buffer.concat([footer, length, Buffer.from('PAR1')]));
    await this.close();
  }

  /** May be called again. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  async #writeChunk(column: ByteWriter, values: number, levels?: Buffer): Promise<Chunk> {
    const size = column.length + (levels?.length ?? 0);
    const header = encodePageHeader(size, values);
    const position = this.#position;
    await this.#write(header);
    if (levels !== undefined) await this.#write(levels);
    await this.#write(column.written);
    column.clear();
    return { position, bytes: header.length + size, values };
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#file.appendFile(bytes);
    this.#position += bytes.length;
  }
}

/** Levels of one bit, bit-packed in one run, after their length. */
function encodeLevels(levels: readonly number[]): Buffer {
  const groups = Math.ceil(levels.length / 8);
  const run = new ByteWriter();
  run.varint(groups * 2 + 1);
  run.bits(levels);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(run.length);
  return Buffer.concat([length, run.written]);
}

function encodePageHeader(bytes: number, values: number): Buffer {
  const plain = 0;
  const rle = 3;
  const page = new ThriftWriter();
  page.i32(1, 0);
  page.i32(2, bytes);
  page.i32(3, bytes);
  page.struct(5, () => {
    page.i32(1, values);
    page.i32(2, plain);
    page.i32(3, rle);
    page.i32(4, rle);
  });
  return page.finish();
}

function encodeFooter(
  columns: readonly SpoolColumn[],
  rows: number,
  groups: readonly { rows: number; chunks: readonly Chunk[] }[],
): Buffer {
  const footer = new ThriftWriter();
  const leaf = (name: string, type: number, isText: boolean) =>
    footer.element(() => {
      footer.i32(1, type);
      footer.i32(3, required);
      footer.text(4, name);
      if (isText) footer.i32(6, utf8);
    });
  const flat = columns.filter(({ path }) => path === undefined);
  footer.i32(1, 1);
  footer.list(2, thrift.struct, flat.length + 5);
  footer.element(() => {
    footer.text(4, 'spool');
    footer.i32(5, flat.length + 1);
  });
  for (const column of flat) leaf(column.name, column.type, column.utf8 === true);
  footer.element(() => {
    footer.i32(3, required);
    footer.text(4, 'headers');
    footer.i32(5, 1);
    footer.i32(6, mapType);
  });
  footer.element(() => {
    footer.i32(3, repeated);
    footer.text(4, 'key_value');
    footer.i32(5, 2);
  });
  leaf('key', physical.byteArray, true);
  leaf('value', physical.byteArray, true);
  footer.i64(3, rows);
  footer.list(4, thrift.struct, groups.length);
  for (const group of groups) {
    footer.element(() => {
      footer.list(1, thrift.struct, columns.length);
      group.chunks.forEach((chunk, index) => {
        const { name, path = [name], type } = columns[index]!;
        footer.element(() => {
          footer.i64(2, chunk.position);
          footer.struct(3, () => {
            footer.i32(1, type);
            footer.list(2, thrift.i32, 1);
            footer.listed(0);
            footer.list(3, thrift.binary, path.length);
            for (const part of path) footer.listedText(part);
            footer.i32(4, 0);
            footer.i64(5, chunk.values);
            footer.i64(6, chunk.bytes);
            footer.i64(7, chunk.bytes);
            footer.i64(9, chunk.position);
          });
        });
      });
      footer.i64(
        2,
        group.chunks.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      footer.i64(3, group.rows);
    });
  }
  return footer.finish();
}
