import { spawnSync } from 'node:child_process';

/** Runs every benchmark, one after the other, or those named: `npm run bench -- ingest latency`. */
const benchmarks = [
  'ingest',
  'latency',
  'startup',
  'log-open',
  'archive',
  'pictures',
  'scenes',
  'footprint',
  'full-load',
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter(name => !benchmarks.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`There is no benchmark "${unknown[0]}"; there are: ${benchmarks.join(', ')}\n`);
  process.exit(2);
}
let failed = false;
for (const name of wanted.length > 0 ? wanted : benchmarks) {
  process.stdout.write(`\n## ${name}\n`);
  const { status } = spawnSync(process.execPath, [`bench/${name}.ts`], { stdio: 'inherit' });
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
