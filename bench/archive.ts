import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetWriteFile, schemaFromColumnData } from 'hyparquet-writer';
import type { ObjectStore } from '../cloud/archive/object-store.ts';
import { openFileObjectStore } from '../cloud/archive/object-store-files.ts';
import { openParquetWriter } from '../cloud/archive/parquet-writer.ts';
import { RunWriter } from '../cloud/archive/run-writer.ts';
import { type Run, RunCutter } from '../cloud/archive/runs.ts';
import { messageKinds, type Telemetry } from '../core/messages.ts';
import type { EventLog, StoredRecord } from '../log/event-log.ts';
import { markRecord } from '../log/record.ts';
import { machine, median, spread } from './process.ts';

/**
 * From the log's records to a stored object: everything that the archiver does with a run of telemetry (cut, digest,
 * redelivery, Parquet, fsync, entry), against hyparquet-writer with the same columns and nothing else. One core's CPU seconds.
 * Bars: 1.5 times its rows/s, and 1.2 times the bytes of DuckDB's own zstd of the same rows.
 */
const rowCount = 30_000;
const rounds = 11;
const epochs = Array.from({ length: 20 }, (_, drone) => `01K0N1V7Z0J8Q4S6T2W9X3Y${String(500 + drone)}`);
const folder = mkdtempSync(join(tmpdir(), 'prestacop-bench-'));

/** Twenty drones on patrol, a message a second each, as the bridge appends them. */
function makeRecords(): StoredRecord[] {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const round = (value: number, digits: number) => Number(value.toFixed(digits));
  const drones = epochs.map((epoch, drone) => ({
    epoch,
    droneId: `nyc-${String(drone + 1).padStart(4, '0')}`,
    lat: 40.7 + random() / 10,
    lon: -74 + random() / 10,
    headingDeg: random() * 360,
  }));
  const startMs = 1_795_605_600_000;
  return Array.from({ length: rowCount }, (_, index) => {
    const drone = drones[index % drones.length]!;
    const timeMs = startMs + index * 50;
    const speedMps = 4 + random() * 4;
    drone.headingDeg = (drone.headingDeg + random() * 20 + 350) % 360;
    drone.lat += (Math.cos((drone.headingDeg * Math.PI) / 180) * speedMps) / 111_000;
    drone.lon += (Math.sin((drone.headingDeg * Math.PI) / 180) * speedMps) / 84_000;
    const message: Telemetry = {
      v: 1,
      droneId: drone.droneId,
      fleet: 'nyc',
      epoch: drone.epoch,
      seq: Math.floor(index / drones.length) + 1,
      observedAtMs: timeMs - Math.floor(random() * 80),
      lat: round(drone.lat, 5),
      lon: round(drone.lon, 5),
      altitudeM: round(30 + random() * 5, 1),
      speedMps: round(speedMps, 1),
      headingDeg: round(drone.headingDeg, 1) % 360,
      batteryPct: round(100 - (index / rowCount) * 60, 1),
      temperatureC: round(20 + random() * 3, 1),
      linkPct: Math.round(80 + random() * 20),
      mode: 'patrol',
    };
    return {
      offset: BigInt(index),
      timeMs,
      key: drone.droneId,
      headers: {
        topic: `prestacop/v1/nyc/${drone.droneId}/telemetry`,
        kind: 'telemetry',
        node: 'broker-1',
        connection: epochs[(index + 7) % epochs.length]!,
        receivedAtMs: String(timeMs),
        contentType: 'application/json',
      },
      payload: Buffer.from(JSON.stringify(message)),
    };
  });
}

const records = makeRecords();
const mark: StoredRecord = { ...markRecord('bench'), offset: BigInt(rowCount), timeMs: records.at(-1)!.timeMs };
const log = {
  async *fetch(stream: string, partition: number) {
    for (let at = 0; at < records.length; at += 2000) {
      const portion = records.slice(at, at + 2000);
      if (at + 2000 >= records.length) portion.push(mark);
      yield { stream, partition, records: portion, nextOffset: portion.at(-1)!.offset + 1n };
    }
  },
} as Pick<EventLog, 'fetch'> as EventLog;
const kinds = messageKinds.filter(({ stream }) => stream === 'telemetry');
const writer = await openParquetWriter(join(folder, 'tmp'), 96 * 2 ** 20);

let stores = 0;
/** A run as the archiver makes it; resolves with the object's path. */
async function ours(): Promise<string> {
  const cutter = new RunCutter({ maxRecords: 65_536, maxBytes: 2 ** 30, windowMs: 86_400_000 }, 0);
  const run = [...records, mark].map(record => cutter.add(record)).find(found => found !== undefined) as Run;
  const root = join(folder, String(++stores));
  const objects: ObjectStore = await openFileObjectStore({ root, areas: ['archive', 'manifest'] });
  const runWriter = new RunWriter('telemetry', kinds, { log, objects, writer, timeZone: 'America/New_York' });
  const { object } = await runWriter.write(0, 'bench', run, { last: undefined, follows: undefined }, signal);
  return join(root, object);
}
const { signal } = new AbortController();

const local = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'America/New_York',
  dateStyle: 'short',
  timeStyle: 'medium',
});
/** Wall clocks change their distance from UTC on the hour at most, so one call of Intl serves an hour. */
const offsets = new Map<number, number>();
function localOf(atMs: number): Date {
  const hour = Math.floor(atMs / 3_600_000);
  let offsetMs = offsets.get(hour);
  if (offsetMs === undefined) {
    offsetMs = Date.parse(`${local.format(hour * 3_600_000).replace(' ', 'T')}Z`) - hour * 3_600_000;
    offsets.set(hour, offsetMs);
  }
  return new Date(atMs + offsetMs);
}

/** What hyparquet-writer calls a map; its schema helper knows only flat columns. */
const mapElements: NonNullable<Parameters<typeof parquetWriteFile>[0]['schema']> = [
  { name: 'headers', repetition_type: 'REQUIRED', converted_type: 'MAP', num_children: 1 },
  { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
  { name: 'key', repetition_type: 'REQUIRED', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  { name: 'value', repetition_type: 'REQUIRED', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
];

/** The same columns by hyparquet-writer, with its default compression (Snappy, which costs less than zstd). */
function theirs(): string {
  const path = join(folder, `hyparquet-${++stores}.parquet`);
  const messages = records.map(({ payload }) => JSON.parse(Buffer.from(payload).toString('utf8')) as Telemetry);
  const field = (name: keyof Telemetry) => messages.map(message => message[name] ?? null);
  const columnData: Parameters<typeof parquetWriteFile>[0]['columnData'] = [
    { name: 'partition', data: records.map(() => 0), type: 'INT32' },
    { name: 'offset', data: records.map(({ offset }) => offset), type: 'INT64' },
    { name: 'received_at', data: records.map(({ timeMs }) => new Date(timeMs)), type: 'TIMESTAMP' },
    { name: 'key', data: records.map(({ key }) => key), type: 'STRING' },
    { name: 'headers', data: records.map(({ headers }) => headers) },
    { name: 'kind', data: records.map(({ headers }) => headers.kind), type: 'STRING' },
    { name: 'payload', data: records.map(({ payload }) => payload), type: 'BYTE_ARRAY' },
    { name: 'redelivery', data: records.map(() => false), type: 'BOOLEAN' },
    { name: 'v', data: field('v'), type: 'INT32' },
    ...(['droneId', 'fleet', 'epoch', 'mode', 'traceparent'] as const).map(
      name => ({ name, data: field(name), type: 'STRING', nullable: true }) as const,
    ),
    { name: 'seq', data: messages.map(({ seq }) => BigInt(seq)), type: 'INT64' },
    { name: 'observed_at_ms', data: messages.map(({ observedAtMs }) => BigInt(observedAtMs)), type: 'INT64' },
    { name: 'observed_at', data: messages.map(({ observedAtMs }) => new Date(observedAtMs)), type: 'TIMESTAMP' },
    { name: 'observed_local', data: messages.map(({ observedAtMs }) => localOf(observedAtMs)), type: 'TIMESTAMP' },
    { name: 'frames', data: field('frames'), type: 'JSON', nullable: true },
    ...(['lat', 'lon', 'altitudeM', 'speedMps', 'headingDeg', 'batteryPct', 'temperatureC', 'linkPct'] as const).map(
      name => ({ name, data: field(name), type: 'DOUBLE' }) as const,
    ),
  ];
  const schema = schemaFromColumnData({ columnData }).flatMap(element =>
    element.name === 'headers' ? mapElements : [element],
  );
  const untyped = columnData.map(({ name, data }) => ({ name, data }));
  parquetWriteFile({ filename: path, columnData: untyped, schema });
  return path;
}

async function measured(make: () => string | Promise<string>): Promise<{ path: string; rowsPerSecond: number }> {
  const before = process.cpuUsage();
  const path = await make();
  const { user, system } = process.cpuUsage(before);
  return { path, rowsPerSecond: rowCount / ((user + system) / 1e6) };
}

async function checkedCounts(paths: readonly string[], reference: string): Promise<number> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  for (const path of paths) {
    const reader = await connection.runAndReadAll(
      `select count(*)::int, sum(seq)::double, count(payload)::int, count(observed_local)::int from '${path}'`,
    );
    const [row] = reader.getRowsJS();
    const sumOfSeqs = records.reduce((sum, _, index) => sum + Math.floor(index / epochs.length) + 1, 0);
    if (JSON.stringify(row) !== JSON.stringify([rowCount, sumOfSeqs, rowCount, rowCount])) {
      throw new Error(`${path} holds ${row}`);
    }
  }
  const path = join(folder, 'duckdb.parquet');
  await connection.run(`copy (from '${reference}') to '${path}' (format parquet, compression zstd)`);
  connection.closeSync();
  instance.closeSync();
  return statSync(path).size;
}

try {
  const results = { ours: [] as number[], theirs: [] as number[] };
  const paths: string[] = [];
  await ours();
  theirs();
  for (let round = 0; round < rounds; round++) {
    for (const name of ['ours', 'theirs'] as const) {
      const { path, rowsPerSecond } = await measured(name === 'ours' ? ours : theirs);
      results[name].push(rowsPerSecond);
      paths.push(path);
    }
  }
  const duckdbBytes = await checkedCounts(paths, paths[0]!);
  const ratios = results.ours.map((value, round) => value / results.theirs[round]!);
  const bytes = statSync(paths[0]!).size;
  process.stdout.write(`${machine()}
archiver            ${spread(results.ours, 0)} rows/s per core
hyparquet-writer    ${spread(results.theirs, 0)} rows/s per core
ratio               ${spread(ratios)}, bar 1.5
object              ${bytes} bytes for ${rowCount} rows, ${(bytes / duckdbBytes).toFixed(2)} x DuckDB's zstd, bar 1.2
                    (hyparquet-writer: ${(statSync(paths[1]!).size / duckdbBytes).toFixed(2)} x)
`);
  if (median(ratios) < 1.5 || bytes / duckdbBytes > 1.2) process.exitCode = 1;
} finally {
  await writer.close();
  rmSync(folder, { recursive: true, force: true });
}
