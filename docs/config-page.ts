import type { Setting } from '../core/settings.ts';

const opening = `# Configuration

<!-- Made by "npm run docs" from core/settings.ts. -->

Everything is set by environment variables. \`npm start -- --check\` prints the effective configuration with secrets masked and
names every mistake at once. An unknown variable that begins like one of ours (\`EDGE_\`, \`BROKER_\` ...) is a mistake too.
A variable marked *secret* can also come from a file: \`NAME_FILE\` holds its path.
`;

/** `docs/config.md`: every variable with default, what is allowed and what it does, in the table's order. */
export function configPage(settings: Readonly<Record<string, Setting<unknown>>>): string {
  const rows = Object.entries(settings).map(([name, { defaultText, allowed, help, secret }]) =>
    [`\`${name}\``, defaultText ? `\`${defaultText}\`` : '', secret ? `${allowed} (*secret*)` : allowed, help]
      .map(text => text.replaceAll('|', '\\|'))
      .join(' | '),
  );
  return `${opening}\n| variable | default | allowed | |\n| --- | --- | --- | --- |\n${rows.map(row => `| ${row} |\n`).join('')}`;
}
