import {
  equipmentMissing,
  inspectionExpired,
  inspectionTorn,
  notice,
  permit,
  plateMissing,
  postMeter,
  receipt,
  registrationExpired,
  registrationImproper,
  registrationOther,
  registrationTorn,
  vinObscured,
} from './family-paper.ts';
import * as road from './family-road.ts';
import * as vehicle from './family-vehicle.ts';
import type { Sign } from './sign.ts';
import { post, type Site } from './site.ts';

type SetUp = (site: Site) => void;

const red = (...lines: string[]): Sign => ({ style: 'red', lines });
const blue = (...lines: string[]): Sign => ({ style: 'blue', lines });
const always =
  (sign: Sign): SetUp =>
  site =>
    post(site, sign, false);
const timed =
  (sign: Sign): SetUp =>
  site =>
    post(site, sign, true);
const says =
  (...lines: string[]): SetUp =>
  site =>
    notice(site, lines, false);
const saysTimed =
  (...lines: string[]): SetUp =>
  site =>
    notice(site, lines, true);
/** One thing to see and a sign beside it. */
const and =
  (...steps: SetUp[]): SetUp =>
  site => {
    for (const step of steps) step(site);
  };

/** Signs that stand about in every street, by code: what else may hang on a post. */
export const commonSigns: readonly (readonly [code: number, sign: Sign])[] = [
  [14, red('NO', 'STANDING')],
  [20, red('NO', 'PARKING')],
  [21, { ...red('NO', 'PARKING'), symbol: 'broom' }],
  [16, red('NO STANDING', 'EXCEPT', 'TRUCKS', 'LOADING')],
  [10, red('NO', 'STOPPING')],
];
const common = (code: number) => commonSigns.find(([known]) => known === code)![1];

/** How each code of the city's list is told by a picture, in the words of the list where it has to be written. */
const families: Record<number, SetUp> = {
  1: and(site => permit(site, undefined, ['BUS', 'PERMIT']), says('BUS', 'PERMIT', 'REQUIRED')),
  2: says('OPERATOR', 'NAME AND', 'ADDRESS', 'REQUIRED'),
  3: always(red('NO', 'PASSENGER', 'PICK-UP')),
  4: always(red('NO BUS', 'PARKING')),
  5: site => road.busLane(site, blue('BUS', 'LANE', 'CAMERA')),
  6: timed(red('NO', 'TRACTOR', 'TRAILERS')),
  7: road.redLight,
  8: and(vehicle.idling, always(red('NO IDLING', '3 MINUTE', 'LIMIT'))),
  9: road.intersection,
  10: timed(common(10)),
  11: always(red('NO STANDING', 'HOTEL', 'LOADING')),
  12: site => road.busLane(site, blue('BUS', 'LANE', 'MOBILE', 'CAMERA')),
  13: always(red('NO', 'STANDING', 'TAXI STAND')),
  14: timed(common(14)),
  15: always(red('NO STANDING', 'OFF-STREET', 'LOT')),
  16: timed(common(16)),
  17: always(red('NO STANDING', 'EXCEPT', 'AUTHORIZED', 'VEHICLES')),
  18: and(site => road.busLane(site, blue('BUS', 'LANE')), always(red('NO', 'STANDING', 'BUS LANE'))),
  19: site => road.busStop(site, { ...red('NO', 'STANDING'), symbol: 'bus' }),
  20: timed(common(20)),
  21: timed(common(21)),
  22: always(red('NO STANDING', 'TAXI', 'RELIEF', 'STAND')),
  23: always(red('NO', 'PARKING', 'TAXI STAND')),
  24: always(red('NO PARKING', 'EXCEPT', 'AUTHORIZED', 'VEHICLES')),
  25: always(red('NO STANDING', 'COMMUTER', 'VAN STOP')),
  26: always(red('NO STANDING', 'FOR-HIRE', 'VEHICLES', 'ONLY')),
  27: always({ ...blue('PERMIT', 'ONLY'), symbol: 'wheelchair' }),
  28: timed(red('DIPLOMATS', '30 MINUTE', 'LIMIT')),
  29: site => permit(site, ['INTERCITY', 'XX ALTERED'], ['INTERCITY', 'BUS PERMIT']),
  30: always(red('NO', 'STOPPING', 'EXCEPT', 'PICK-UP')),
  31: timed(red('NO STANDING', 'EXCEPT', 'COMMERCIAL', 'METERED')),
  32: site => postMeter(site, 'BROKEN', 'METERED'),
  33: site => permit(site, ['PERMIT', 'NOT VALID'], ['PERMIT', 'VALID']),
  34: site => postMeter(site, 'EXPIRED', 'METERED'),
  35: and(site => postMeter(site, '0:20', 'METERED'), says('NO SALE', 'OF GOODS', 'AT METERS')),
  36: road.speeding,
  37: site => receipt(site, 'out', false),
  38: site => receipt(site, 'none', false),
  39: timed({ style: 'green', lines: ['1 HOUR', 'PARKING'] }),
  40: road.hydrant,
  41: says('LOCAL', 'PARKING', 'RULES'),
  42: site => receipt(site, 'out', true),
  43: site => postMeter(site, 'EXPIRED', 'COMMERCIAL'),
  44: site => postMeter(site, 'OVER', 'COMMERCIAL'),
  45: road.trafficLane,
  46: road.doubleParked,
  47: and(road.doubleParked, site =>
    site.signs.push({ style: 'green', lines: ['MIDTOWN', 'COMMERCIAL', 'VEHICLES', 'ONLY'] }),
  ),
  48: road.bikeLane,
  49: vehicle.excavation,
  50: road.crosswalk,
  51: road.sidewalk,
  52: road.intersection,
  53: road.safetyZone,
  54: always(red('NO PICK-UP', 'OR', 'DISCHARGE')),
  55: always(red('NO', 'STOPPING', 'HIGHWAY')),
  56: always(red('NO', 'STOPPING', 'DIVIDED', 'HIGHWAY')),
  57: says('WEIGH', 'STATION', 'AHEAD'),
  58: always(red('NO PARKING', 'MARGINAL', 'STREET')),
  59: and(road.angled, saysTimed('COMMERCIAL', 'VEHICLES', 'NO ANGLE', 'PARKING')),
  60: road.angled,
  61: road.wrongWay,
  62: road.markedSpace,
  63: always(red('PARK', 'CLOSED', 'AT NIGHT')),
  64: always(red('NO STANDING', 'EXCEPT', 'DIPLOMATS', 'D / S')),
  65: timed(red('D / S', '30 MINUTE', 'LIMIT')),
  66: vehicle.detached,
  67: road.ramp,
  68: always(red('BACK IN', 'PARKING', 'ONLY')),
  69: site => receipt(site, 'none', true),
  70: registrationExpired,
  71: inspectionExpired,
  72: inspectionTorn,
  73: registrationTorn,
  74: plateMissing,
  75: registrationOther,
  76: vinObscured,
  77: always(red('NO BUS', 'PARKING', 'EXCEPT AT', 'LAYOVER')),
  78: timed(red('NO', 'COMMERCIAL', 'VEHICLES')),
  79: always(red('NO BUS', 'LAYOVER')),
  80: equipmentMissing,
  81: always(red('NO STANDING', 'EXCEPT', 'DIPLOMATS', 'D P')),
  82: says('ALTERED', 'COMMERCIAL', 'VEHICLES', 'ONLY'),
  83: registrationImproper,
  84: and(vehicle.liftGate, says('KEEP', 'LIFT GATES', 'RAISED')),
  85: always(red('COMMERCIAL', 'VEHICLES', '3 HOUR', 'LIMIT')),
  86: timed(red('MIDTOWN', '3 HOUR', 'LIMIT')),
  87: site => permit(site, ['PERMIT', 'PHOTOCOPY'], ['PERMIT', 'VALID']),
  88: says('COMMERCIAL', 'NAME AND', 'ADDRESS', 'REQUIRED'),
  89: always(red('NO STANDING', 'EXCEPT', 'TRUCKS', 'GARMENT')),
  90: says('NO WASHING', 'REPAIR', 'OR SALE'),
  91: site => permit(site, ['FOR SALE', '$2,900'], ['RESIDENT', 'PARKING']),
  92: says('NO WASHING', 'OR REPAIR', 'OF', 'VEHICLES'),
  93: says('NO TIRE', 'CHANGES ON', 'HIGHWAY'),
  94: says('VEHICLE', 'RELEASE', 'PROGRAM'),
  96: always({ style: 'school', lines: ['RAILROAD', 'CROSSING', 'KEEP CLEAR'] }),
  97: always(red('NO PARKING', 'VACANT', 'LOT')),
  98: road.driveway,
  99: says('OTHER', 'RULES', 'POSTED'),
};

/** Sets a site up for a code; one that no list knows gets a sign with its number. */
export function setUp(site: Site, code: number): void {
  (families[code] ?? says('RULE', String(code)))(site);
}
