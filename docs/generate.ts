import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { rejectionReasons } from '../bridge/rejections.ts';
import { AppError } from '../core/errors.ts';
import { messageKinds } from '../core/messages.ts';
import { settings } from '../core/settings.ts';
import { treeFiles } from '../deploy/tree.ts';
import { asyncApi, jsonSchemas } from './asyncapi.ts';
import { configPage } from './config-page.ts';
import { errorsPage } from './errors-page.ts';
import { messagesPage } from './messages-page.ts';

const root = resolve(import.meta.dirname, '..');

/** The generated documents: file name in `docs/` and content. */
export async function documents(): Promise<Record<string, string>> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return {
    'asyncapi.yaml': `# Made by "npm run docs" from core/messages.ts.\n${stringify(asyncApi(messageKinds, version), { aliasDuplicateObjects: false })}`,
    'messages.schema.json': `${JSON.stringify(jsonSchemas(messageKinds), null, 2)}\n`,
    'messages.md': messagesPage(messageKinds, rejectionReasons),
    'config.md': configPage(settings),
    'errors.md': errorsPage(await definedErrors()),
  };
}

/** One error of each code, from every exported table that `defineErrors` made in a runtime source. */
async function definedErrors(): Promise<AppError[]> {
  const sources = treeFiles(root)
    .filter(path => /\/.*\.ts$/.test(path) && !/(^|\/)(test|bench|docs)\//.test(path))
    .filter(path => readFileSync(join(root, path), 'utf8').includes(' = defineErrors('));
  const errors: AppError[] = [];
  for (const path of sources) {
    const exported: Record<string, unknown> = await import(pathToFileURL(join(root, path)).href);
    const tables = Object.entries(exported).filter(([name]) => /Errors$/.test(name) && name !== 'defineErrors');
    for (const [, table] of tables) {
      for (const make of Object.values(table as Record<string, () => unknown>)) {
        const error = make();
        if (error instanceof AppError) errors.push(error);
      }
    }
  }
  return errors;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, content] of Object.entries(await documents()))
    writeFileSync(join(import.meta.dirname, name), content);
}
