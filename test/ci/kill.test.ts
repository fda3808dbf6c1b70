import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { tempFolder } from '../program.ts';
import { assertBalanced, audit, busyEnvironment, killAtRandom } from '../survival.ts';

const seed = Number(process.env.KILL_SEED ?? 20261125);
const moments = Number(process.env.KILL_MOMENTS ?? 5);

interface KindCount {
  kind: string;
  rows: number;
  /** How many (drone, epoch, seq) the rows name. */
  identities: number;
  /** Rows that are no redelivery. */
  firsts: number;
  /** How many (drone, epoch, seq) these name: two firsts of one identity must not hide that another has none. */
  firstIdentities: number;
}

/** The rows of each numbered kind in the archive. */
async function countArchive(dataDir: string): Promise<KindCount[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const objects = ['telemetry', 'violation', 'command'].map(stream => `'${dataDir}/archive/${stream}/**/*.parquet'`);
  try {
    const reader = await connection.runAndReadAll(`
      select kind, count(*)::int as rows,
        count(distinct (drone_id, epoch, seq))::int as identities,
        count(*) filter (not redelivery)::int as firsts,
        count(distinct (drone_id, epoch, seq)) filter (not redelivery)::int as "firstIdentities"
      from read_parquet([${objects}], union_by_name = true)
      where kind in ('telemetry', 'violation', 'ack') group by kind order by kind`);
    return reader.getRowObjectsJS() as unknown as KindCount[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

for (const [name, groups, victim] of [
  ['the whole embedded run', [[]], () => 0],
  ['the edge alone', [['broker', 'bridge', 'archive'], ['edge']], () => 1],
  ['the broker process alone', [['broker', 'bridge', 'archive'], ['edge']], () => 0],
  ['the archiver alone', [['broker', 'bridge'], ['edge'], ['archive']], () => 2],
] as const) {
  test(`kill -9 of ${name} at random moments under load loses nothing and doubles nothing`, async t => {
    const dataDir = tempFolder(t);
    const env = await busyEnvironment(dataDir);
    const count = groups.length === 1 ? moments : Math.ceil(moments / 2);
    await killAtRandom(t, groups, env, { moments: count, seed, victim });
    const result = await audit(env);
    t.diagnostic(JSON.stringify(result.total));
    assertBalanced(result);
    for (const kind of ['image', 'frame']) {
      const { named, archived, checked } = result.pictures.kinds[kind]!;
      t.diagnostic(`${kind}: ${named} named, ${archived} archived, ${checked} deliveries hashed`);
      assert.ok(archived > 0 && checked >= archived, `every archived ${kind} was hashed`);
    }
    const counts = await countArchive(dataDir);
    assert.deepEqual(
      counts.map(({ kind }) => kind),
      ['ack', 'telemetry', 'violation'],
    );
    for (const { kind, rows, identities, firsts, firstIdentities } of counts) {
      t.diagnostic(`${kind}: ${rows} rows, ${firsts} not redelivered, ${identities} identities`);
      assert.deepEqual(
        { firsts, firstIdentities },
        { firsts: identities, firstIdentities: identities },
        `exactly one row of each ${kind} is no redelivery`,
      );
    }
  });
}
