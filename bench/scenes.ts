import { createCanvas, loadImage } from '@napi-rs/canvas';
import type { Reason } from '../edge/classifier.ts';
import type { Remedy } from '../edge/scene/remedy.ts';
import { drawScene, type SceneFacts } from '../edge/scene/scene.ts';
import { loadTickets } from '../edge/tickets.ts';
import { machine, median, spread } from './process.ts';

/**
 * Pictures of the default size, 800 x 600, that one core draws and encodes, of real summonses of which one in four is hard to judge. Bar: 50/s.
 * The floor encodes one of them again: what the JPEG alone costs.
 */
const rounds = 9;
const scenes = 60;
const hard: readonly [Reason, Remedy][] = [
  ['plate-unreadable', 'zoom'],
  ['sign-occluded', 'zoom'],
  ['two-codes-possible', 'zoom'],
  ['low-confidence', 'photograph-again'],
];

const tickets = loadTickets();
function factsOf(index: number): SceneFacts {
  const row = (index * 997) % tickets.code.length;
  const [reason, remedy] = hard[(index / 4) % hard.length] ?? [];
  return {
    code: tickets.code[row]!,
    street: tickets.street[row]!,
    house: tickets.house[row]!,
    plate: tickets.plate[row]!,
    plateState: tickets.plateState[row]!,
    bodyType: tickets.bodyType[row]!,
    colour: tickets.colour[row]!,
    hour: Math.floor(tickets.minute[row]! / 60),
    ...(reason !== undefined && remedy !== undefined ? { reason, remedy } : {}),
    look: 1,
    seed: `bench-${index}`,
  };
}

const rssMiB = () => Math.round(process.memoryUsage().rss / 2 ** 20);
const msOf = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1000;

const beforeMiB = rssMiB();
const first = await drawScene(factsOf(0), 800);
const canvas = createCanvas(800, 600);
canvas.getContext('2d').drawImage(await loadImage(first), 0, 0);
const [cpuMs, callingMs, floorMs, bytes]: [number[], number[], number[], number[]] = [[], [], [], []];
for (let round = 0; round < rounds; round++) {
  const [cpu, thread] = [process.cpuUsage(), process.threadCpuUsage()];
  for (let index = 0; index < scenes; index++) bytes.push((await drawScene(factsOf(index), 800)).length);
  cpuMs.push(msOf(process.cpuUsage(cpu)) / scenes);
  callingMs.push(msOf(process.threadCpuUsage(thread)) / scenes);
  const floor = process.cpuUsage();
  for (let index = 0; index < 20; index++) canvas.encodeSync('jpeg', 72);
  floorMs.push(msOf(process.cpuUsage(floor)) / 20);
}
if (bytes.some(length => length < 20_000 || length > 60_000)) throw new Error('a picture is not of 20 to 60 kB');
process.stdout.write(
  `${machine()}
${scenes} scenes of ${Math.round(median(bytes) / 1000)} kB a round, ${rounds} rounds: ${spread(
    cpuMs.map(ms => 1000 / ms),
    0,
  )} scenes/s a core, bar 50
CPU a scene ${spread(cpuMs, 1)} ms, of which on the calling thread ${spread(callingMs, 1)} ms; its JPEG alone ${spread(floorMs, 1)} ms
whole / JPEG alone ${spread(
    cpuMs.map((ms, round) => ms / floorMs[round]!),
    2,
  )}; RSS ${beforeMiB} MiB before the first, ${rssMiB()} after the last\n`,
);
