import type { MessageKind } from '../../core/messages.ts';

/** One column of a stream's Parquet objects. */
export interface Column {
  /** In snake_case; fields inside a STRUCT keep the names they were sent with. */
  name: string;
  /** DuckDB's name of its type. */
  type: string;
  /** What it holds: a record's own part, a field of the message, or a header. */
  source:
    | { record: string }
    | { field: string; as: 'value' | 'instant' | 'local' }
    | { header: string }
    | { topicLevel: number };
}

/** The columns that every archived stream has, first. `received_at` is the log's time of the record. */
const recordColumns: readonly Column[] = [
  ['partition', 'INTEGER'],
  ['offset', 'BIGINT'],
  ['received_at', 'TIMESTAMP WITH TIME ZONE'],
  ['key', 'VARCHAR'],
  ['headers', 'MAP(VARCHAR, VARCHAR)'],
  ['kind', 'VARCHAR'],
  ['payload', 'BLOB'],
  ['redelivery', 'BOOLEAN'],
].map(([name, type]) => ({ name: name!, type: type!, source: { record: name! } }));

/** What the bridge says of a message it rejected is in the record's headers. */
const rejectedColumns: readonly Column[] = [
  ...['reason', 'detail', 'topic', 'droneId', 'fleet', 'epoch'].map(header => [header, 'VARCHAR'] as const),
  ['seq', 'BIGINT'] as const,
].map(([header, type]) => ({ name: snakeCase(header), type, source: { header } }));

/**
 * In place of `payload` where a stream holds pictures: `length` bytes at `position` of the object `pack`. The id is the one
 * that the drone named; the bridge has compared it with the bytes.
 */
const pictureColumns: readonly Column[] = [
  ...['drone_id', 'fleet', 'image_id'].map((name, index) => ({
    name,
    type: 'VARCHAR',
    source: { topicLevel: [4, 3, 6][index]! },
  })),
  { name: 'content_type', type: 'VARCHAR', source: { header: 'contentType' } },
  { name: 'pack', type: 'VARCHAR', source: { record: 'pack' } },
  { name: 'position', type: 'BIGINT', source: { record: 'position' } },
  { name: 'length', type: 'INTEGER', source: { record: 'length' } },
];

/** Whether a stream's payloads are archived as packs, and its Parquet objects are their indexes. */
export function isPacked(kinds: readonly MessageKind[]): boolean {
  return kinds.length > 0 && kinds.every(({ content }) => content === 'picture');
}

/**
 * The archive's columns of a stream: the record's, then one for each field of the kinds it holds (DESIGN section 6). A new
 * field or kind in the message table is followed by itself. A field in `AtMs` gives also an instant, and `observedAtMs` the
 * wall clock in ARCHIVE_TIME_ZONE; a field whose kinds disagree about its type is JSON text.
 */
export function archiveColumns(stream: string, kinds: readonly MessageKind[]): readonly Column[] {
  if (stream === 'rejected') return [...recordColumns, ...rejectedColumns];
  if (isPacked(kinds)) return [...recordColumns.filter(({ name }) => name !== 'payload'), ...pictureColumns];
  const columns = [...recordColumns];
  for (const [field, type] of fieldTypes(kinds)) {
    const plain = snakeCase(field);
    const name = recordColumns.some(column => column.name === plain) ? `message_${plain}` : plain;
    columns.push({ name, type, source: { field, as: 'value' } });
    if (!/AtMs$/.test(field) || type !== 'BIGINT') continue;
    const instant = name.replace(/_ms$/, '');
    columns.push({ name: instant, type: 'TIMESTAMP WITH TIME ZONE', source: { field, as: 'instant' } });
    if (field === 'observedAtMs') {
      columns.push({ name: 'observed_local', type: 'TIMESTAMP', source: { field, as: 'local' } });
    }
  }
  return columns;
}

/** The fields of the messages and their DuckDB types, in the order of the schemas. */
function fieldTypes(kinds: readonly MessageKind[]): Map<string, string> {
  const types = new Map<string, string>();
  for (const { schema } of kinds) {
    for (const [field, property] of Object.entries(schema?.properties ?? {})) {
      const type = typeOf(property);
      const known = types.get(field) ?? type;
      types.set(field, known === type ? type : wider(known, type));
    }
  }
  return types;
}

function wider(a: string, b: string): string {
  const numbers = ['INTEGER', 'BIGINT', 'DOUBLE'];
  const rank = Math.max(numbers.indexOf(a), numbers.indexOf(b));
  return numbers.includes(a) && numbers.includes(b) ? numbers[rank]! : 'JSON';
}

interface JsonSchema {
  type?: string;
  const?: unknown;
  maximum?: number;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  patternProperties?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
}

function typeOf(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).reduce((a, b) => (a === b ? a : wider(a, b)));
  switch (schema.type ?? typeof schema.const) {
    case 'integer':
      return schema.maximum !== undefined && schema.maximum < 2 ** 31 ? 'INTEGER' : 'BIGINT';
    case 'number':
      return Number.isInteger(schema.const) ? 'INTEGER' : 'DOUBLE';
    case 'boolean':
      return 'BOOLEAN';
    case 'string':
      return 'VARCHAR';
    case 'array':
      return `${typeOf(schema.items ?? {})}[]`;
    case 'object': {
      const fields = Object.entries(schema.properties ?? {});
      if (fields.length > 0) {
        return `STRUCT(${fields.map(([name, property]) => `${quoted(name)} ${typeOf(property)}`).join(', ')})`;
      }
      const values = Object.values(schema.patternProperties ?? {});
      return values.length === 1 ? `MAP(VARCHAR, ${typeOf(values[0]!)})` : 'JSON';
    }
    default:
      return 'JSON';
  }
}

/**
 * The SELECT that makes the columns from a run's spool (`spool.ts`), where `source` is what stands behind FROM and `pack` the
 * key of the run's pack, if it has one. What a message lacks, or has in a form that its column cannot hold, is null: nothing in a message makes it fail.
 */
export function archiveQuery(
  stream: string,
  kinds: readonly MessageKind[],
  { source, partition, timeZone, pack }: { source: string; partition: number; timeZone: string; pack?: string },
): string {
  const fields = fieldTypes(kinds);
  const numbered = kinds.filter(kind => kind.numbered).map(({ kind }) => kind);
  const list = archiveColumns(stream, kinds)
    .map(column => `${expressionOf(column, { partition, timeZone, numbered, pack })} as ${quoted(column.name)}`)
    .join(', ');
  if (fields.size === 0) return `select ${list} from ${source}`;
  const structure = literal(JSON.stringify(Object.fromEntries(fields)));
  const message = `try(json_transform(case when adapted <> '' then adapted else try(decode(payload)) end, ${structure}))`;
  return `select ${list} from (select *, ${message} as message from ${source})`;
}

/** The fields that name a numbered message, each with what the spool writes for none. */
const identity: Record<string, string> = { droneId: "''", epoch: "''", seq: '0' };

function expressionOf(
  { source, type }: Column,
  {
    partition,
    timeZone,
    numbered,
    pack = '',
  }: { partition: number; timeZone: string; numbered: readonly string[]; pack?: string },
): string {
  if ('header' in source) return `try_cast(headers[${literal(source.header)}] as ${type})`;
  if ('topicLevel' in source) return `nullif(split_part(headers['topic'], '/', ${source.topicLevel}), '')`;
  if ('record' in source) {
    switch (source.record) {
      case 'pack':
        return literal(pack);
      case 'length':
        return 'length::integer';
      case 'partition':
        return `${partition}::integer`;
      case 'received_at':
        return 'make_timestamptz(time_us)';
      case 'kind':
        return `nullif(kind, '')`;
      default:
        return quoted(source.record);
    }
  }
  const field = `message.${quoted(source.field)}`;
  // Not by TRY: DuckDB computes what two columns share only once, outside of it. The years 1 to 9999 do not overflow.
  const instant = `make_timestamptz(case when ${field} between -62135596800000 and 253402300799999 then ${field} end * 1000)`;
  if (source.as === 'instant') return instant;
  if (source.as === 'local') return `${instant} at time zone ${literal(timeZone)}`;
  // The identity that redelivery was judged by stands in the row, also where a message names a field twice.
  const none = identity[source.field];
  if (numbered.length > 0 && none !== undefined) {
    const own = snakeCase(source.field);
    return `case when kind in (${numbered.map(literal).join(', ')}) then nullif(${own}, ${none}) else ${field} end`;
  }
  return field;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
