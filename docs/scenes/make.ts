/** Makes the pictures of this folder and ../scenes.md: `node docs/scenes/make.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawScene, type SceneFacts } from '../../edge/scene/scene.ts';

const widthPx = 640;

interface Example {
  name: string;
  facts: Omit<SceneFacts, 'look' | 'seed'>;
  hides: string;
  answer: string;
}

const examples: readonly Example[] = [
  {
    name: 'hydrant',
    facts: {
      code: 40,
      street: 'Bedford Avenue',
      house: '112',
      plate: 'HBC4821',
      plateState: 'NY',
      bodyType: '4DSD',
      colour: 'GY',
      hour: 10,
    },
    hides: 'Nothing: the drone was sure.',
    answer: '**40**, fire hydrant.',
  },
  {
    name: 'double-parking',
    facts: {
      code: 46,
      street: 'Saint Nicholas Terrace',
      plate: 'DZP1902',
      plateState: 'CT',
      bodyType: 'SUBN',
      colour: 'BL',
      hour: 17,
    },
    hides: 'Nothing.',
    answer: '**46**, double parking: it stands beside those at the kerb, hazard lights on.',
  },
  {
    name: 'bus-lane',
    facts: {
      code: 5,
      street: '1 Avenue',
      house: '1360',
      plate: '87213MK',
      plateState: 'PA',
      bodyType: 'VAN',
      colour: 'WH',
      hour: 14,
    },
    hides: 'Nothing.',
    answer: '**5**, bus lane, by camera as its sign says.',
  },
  {
    name: 'dirty-plate',
    facts: {
      code: 20,
      street: 'Steinway Street',
      house: '31-08',
      plate: 'JFK2290',
      plateState: 'NJ',
      bodyType: '4DSD',
      colour: 'BL',
      hour: 13,
      reason: 'plate-unreadable',
      remedy: 'zoom',
    },
    hides: 'Dirt on the plate.',
    answer: '**20**, no parking at this hour; at twice the size the plate reads JFK2290.',
  },
  {
    name: 'branch',
    facts: {
      code: 14,
      street: 'Grand Concourse',
      house: '2417',
      plate: 'T641870C',
      plateState: 'NY',
      bodyType: 'SUBN',
      colour: 'BK',
      hour: 9,
      reason: 'sign-occluded',
      remedy: 'zoom',
    },
    hides: 'A branch before half of the sign.',
    answer: '**14**, no standing: the words are free.',
  },
  {
    name: 'two-signs',
    facts: {
      code: 21,
      street: 'East 86th Street',
      house: '330',
      plate: 'GKX7714',
      plateState: 'NY',
      bodyType: '4DSD',
      colour: 'TN',
      hour: 9,
      reason: 'two-codes-possible',
      remedy: 'zoom',
    },
    hides: 'Two rules on one post.',
    answer: '**21**, street cleaning: the hours of the other sign are not now.',
  },
  {
    name: 'tarpaulin',
    facts: {
      code: 98,
      street: 'Metropolitan Avenue',
      plate: 'LVB3340',
      plateState: 'NY',
      bodyType: 'SUBN',
      colour: 'GR',
      hour: 11,
      reason: 'unknown-vehicle',
      remedy: 'zoom',
    },
    hides: 'What kind of vehicle it is.',
    answer: '**98**, obstructing a driveway, whatever is under the cover.',
  },
  {
    name: 'rain',
    facts: {
      code: 50,
      street: 'Flatbush Avenue',
      plate: 'AVR5521',
      plateState: 'MA',
      bodyType: '4DSD',
      colour: 'RD',
      hour: 19,
      reason: 'low-confidence',
      remedy: 'zoom',
    },
    hides: 'Rain at dusk.',
    answer: '**50**, crosswalk.',
  },
  {
    name: 'plate-hidden',
    facts: {
      code: 71,
      street: 'Northern Boulevard',
      house: '140-22',
      plate: 'FRD9043',
      plateState: 'NY',
      bodyType: 'SUBN',
      colour: 'WH',
      hour: 12,
      reason: 'plate-unreadable',
      remedy: 'photograph-again',
    },
    hides: 'Something covers the plate.',
    answer: 'Photograph again; then **71**, inspection sticker expired, plate FRD9043.',
  },
  {
    name: 'truck',
    facts: {
      code: 19,
      street: 'Fordham Road',
      plate: 'KTN6608',
      plateState: 'NY',
      bodyType: 'PICK',
      colour: 'RD',
      hour: 16,
      reason: 'unknown-vehicle',
      remedy: 'photograph-again',
    },
    hides: 'A truck drives by.',
    answer: 'Photograph again; then **19**, bus stop.',
  },
  {
    name: 'far-hydrant',
    facts: {
      code: 40,
      street: 'Vanderbilt Avenue',
      house: '88',
      plate: 'CPL4417',
      plateState: 'NY',
      bodyType: '4DSD',
      colour: 'BK',
      hour: 17,
      reason: 'camera-angle',
      remedy: 'dismiss',
    },
    hides: 'The hydrant, at the edge of the picture.',
    answer: 'Dismiss: it stands more than 15 feet (4.6 m) from the hydrant and clear of the painted kerb.',
  },
  {
    name: 'shaken',
    facts: {
      code: 38,
      street: 'Broadway',
      plate: 'ZMT2086',
      plateState: 'NY',
      bodyType: 'SUBN',
      colour: 'SIL',
      hour: 22,
      reason: 'low-confidence',
      remedy: 'escalate',
    },
    hides: 'The camera shook in the rain, both times.',
    answer: 'Escalate: nobody can tell from this.',
  },
];

let totalBytes = 0;
async function draw(example: Example, look: 1 | 2): Promise<string> {
  const name = `${example.name}${look === 2 ? '-again' : ''}.jpg`;
  const jpeg = await drawScene({ ...example.facts, look, seed: example.name }, widthPx);
  writeFileSync(join(import.meta.dirname, name), jpeg);
  totalBytes += jpeg.length;
  return `<img src="scenes/${name}" width="400" alt="${example.hides} ${example.answer.replaceAll('*', '')}">`;
}

const rows: string[] = [];
for (const example of examples) {
  const looks = [await draw(example, 1)];
  if (example.facts.remedy === 'photograph-again') looks.push(await draw(example, 2));
  rows.push(`| ${looks.join('<br>')} | ${example.hides} | ${example.answer} |`);
}
writeFileSync(
  join(import.meta.dirname, '../scenes.md'),
  `# Scenes

What simulated drones photograph, and what a careful officer answers. Every picture is drawn from the facts of a summons:
code, street, house number, plate and state, body type, colour, hour; the same facts and seed give the same bytes (\`edge/scene/\`). Signs,
plates and papers behind windshields are larger than in life, to be read in a picture of 800 pixels; these here are 640 pixels wide.
The camera writes the local hour into the corner, since it decides whether a sign is in force.

Of the pictures that the drone cannot qualify 70 % can be decided by who looks closely, 20 % after "photograph again" (from the
other side, closer), 5 % show that there is no violation, and in 5 % nobody can tell. What the right answer is stays in the drone's own ledger.

| picture | what it hides | right answer |
| --- | --- | --- |
${rows.join('\n')}

Made by \`node docs/scenes/make.ts\`. The letters are Overpass Bold (SIL Open Font License 1.1, \`edge/scene/assets/\`), after those of US
road signs; no font of the system is used.
`,
);
process.stdout.write(`${examples.length} scenes, ${totalBytes} bytes\n`);
