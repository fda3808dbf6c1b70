#!/usr/bin/env -S node --max-semi-space-size=4
// V8 would keep up to 48 MiB for young objects; with 12 it is as fast here, and the whole run takes 60 MiB less.
// The one file that any Node can read: it asks for Node 24 in words where the sources would fail with a syntax error.
import module from 'node:module';

if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `prestacop needs Node 24 or later and was started with ${process.version}.\n` +
      'On Linux and Windows "npm ci" brings it: start with "npm start". Elsewhere install Node 24, then "npm start".\n',
  );
  process.exitCode = 2;
} else {
  module.enableCompileCache();
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
}
