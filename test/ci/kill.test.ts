import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { tempFolder } from '../program.ts';
import { assertBalanced, audit, busyEnvironment, killAtRandom } from '../survival.ts';

const seed = Number(process.env.KILL_SEED ?? 20261125);
const moments = Number(process.env.KILL_MOMENTS ?? 5);

/** Rows of each numbered kind in the archive, and how many (drone, epoch, kind, seq) they name. */
async function countArchive(
  dataDir: string,
): Promise<{ kind: string; firsts: number; identities: number; rows: number }[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(`
      select kind, count(*) filter (not redelivery)::int as firsts, count(distinct (drone_id, epoch, seq))::int as identities, count(*)::int as rows
      from read_parquet(['${dataDir}/archive/telemetry/**/*.parquet', '${dataDir}/archive/violation/**/*.parquet'], union_by_name = true)
      group by kind order by kind`);
    return reader.getRowObjectsJS() as Awaited<ReturnType<typeof countArchive>>;
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
    for (const { kind, firsts, identities, rows } of await countArchive(dataDir)) {
      t.diagnostic(`${kind}: ${rows} rows, ${firsts} not redelivered, ${identities} identities`);
      assert.equal(firsts, identities, `exactly one row of each ${kind} is no redelivery`);
    }
  });
}
