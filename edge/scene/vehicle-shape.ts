/** A point of the outline from the side: metres from the rear, height, half of the width there. */
export type Station = readonly [z: number, y: number, halfM: number];
/** A flat shape on the side: z and y. */
export type SideShape = readonly (readonly [z: number, y: number])[];

export interface Shape {
  lengthM: number;
  /** From the rear's foot over the top to the front's foot. */
  hull: readonly Station[];
  /** On top of the hull: rear foot, rear top, front top, front foot. Its first and last strip are glass. */
  cabin?: readonly Station[];
  windows: readonly SideShape[];
  /** Load box or coach behind the cab. */
  box?: { z: readonly [number, number]; y: readonly [number, number]; halfM: number; coach?: boolean };
  wheels: readonly number[];
  wheelM: number;
  doors: readonly number[];
  plateY: number;
  /** Lower and upper edge of the tail lights. */
  tail: readonly [number, number];
}

const sedan: Shape = {
  lengthM: 4.75,
  hull: [
    [0.1, 0.28, 0.76],
    [0.0, 0.48, 0.8],
    [0.02, 0.8, 0.82],
    [0.12, 0.98, 0.8],
    [0.3, 1.03, 0.8],
    [1.0, 1.05, 0.88],
    [3.35, 1.0, 0.88],
    [4.3, 0.86, 0.82],
    [4.62, 0.72, 0.76],
    [4.75, 0.52, 0.78],
    [4.66, 0.28, 0.76],
  ],
  cabin: [
    [0.82, 1.02, 0.8],
    [1.5, 1.42, 0.62],
    [2.5, 1.45, 0.62],
    [3.45, 0.99, 0.8],
  ],
  windows: [
    [
      [1.1, 1.07],
      [1.62, 1.37],
      [2.02, 1.39],
      [2.02, 1.07],
    ],
    [
      [2.1, 1.07],
      [2.1, 1.39],
      [2.48, 1.39],
      [3.15, 1.07],
    ],
  ],
  wheels: [0.95, 3.75],
  wheelM: 0.34,
  doors: [1.3, 2.06, 3.2],
  plateY: 0.52,
  tail: [0.74, 0.96],
};

const suburban: Shape = {
  lengthM: 4.8,
  hull: [
    [0.1, 0.36, 0.82],
    [0.0, 0.55, 0.86],
    [0.0, 0.95, 0.88],
    [0.04, 1.14, 0.88],
    [0.3, 1.16, 0.92],
    [3.5, 1.14, 0.92],
    [4.5, 1.06, 0.86],
    [4.72, 0.9, 0.82],
    [4.8, 0.62, 0.84],
    [4.7, 0.34, 0.82],
  ],
  cabin: [
    [0.06, 1.13, 0.88],
    [0.42, 1.7, 0.7],
    [2.55, 1.76, 0.7],
    [3.6, 1.13, 0.86],
  ],
  windows: [
    [
      [0.4, 1.2],
      [0.55, 1.62],
      [1.2, 1.65],
      [1.2, 1.2],
    ],
    [
      [1.28, 1.2],
      [1.28, 1.65],
      [2.05, 1.67],
      [2.05, 1.2],
    ],
    [
      [2.13, 1.2],
      [2.13, 1.67],
      [2.55, 1.67],
      [3.3, 1.2],
    ],
  ],
  wheels: [0.95, 3.8],
  wheelM: 0.39,
  doors: [1.24, 2.09, 3.3],
  plateY: 0.68,
  tail: [0.92, 1.3],
};

const van: Shape = {
  lengthM: 5.3,
  hull: [
    [0.08, 0.36, 0.88],
    [0.0, 0.55, 0.93],
    [0.0, 1.0, 0.95],
    [0.02, 1.2, 0.95],
    [4.55, 1.18, 0.95],
    [5.1, 1.05, 0.9],
    [5.3, 0.7, 0.86],
    [5.2, 0.34, 0.86],
  ],
  cabin: [
    [0.02, 1.19, 0.95],
    [0.14, 2.12, 0.84],
    [3.8, 2.12, 0.84],
    [4.75, 1.17, 0.92],
  ],
  windows: [
    [
      [3.3, 1.28],
      [3.3, 1.9],
      [3.88, 1.9],
      [4.45, 1.28],
    ],
  ],
  wheels: [1.0, 4.4],
  wheelM: 0.38,
  doors: [1.6, 3.2, 4.5],
  plateY: 0.66,
  tail: [1.05, 1.6],
};

/** Cab of a truck, from `z` on: behind it comes what it carries. */
const cabAt = (z: number): Pick<Shape, 'hull' | 'cabin' | 'windows'> => ({
  hull: [
    [z, 0.5, 1],
    [z, 1.5, 1],
    [z + 1.5, 1.45, 1],
    [z + 2.1, 1.3, 0.95],
    [z + 2.2, 0.8, 0.95],
    [z + 2.15, 0.4, 0.95],
  ],
  cabin: [
    [z, 1.48, 0.98],
    [z + 0.1, 2.4, 0.88],
    [z + 1.0, 2.42, 0.88],
    [z + 1.65, 1.42, 0.94],
  ],
  windows: [
    [
      [z + 0.45, 1.58],
      [z + 0.45, 2.2],
      [z + 1.0, 2.2],
      [z + 1.4, 1.58],
    ],
  ],
});

const delivery: Shape = {
  ...cabAt(4.7),
  lengthM: 6.9,
  box: { z: [0, 4.6], y: [0.85, 3.05], halfM: 1.12 },
  wheels: [1.2, 5.7],
  wheelM: 0.45,
  doors: [5.1, 6.2],
  plateY: 0.5,
  tail: [0.62, 0.8],
};

const trailer: Shape = {
  lengthM: 8.5,
  hull: [],
  windows: [],
  box: { z: [0, 8.5], y: [1.05, 3.3], halfM: 1.22 },
  wheels: [0.9, 1.9],
  wheelM: 0.48,
  doors: [],
  plateY: 0.62,
  tail: [0.66, 0.86],
};

const bus: Shape = {
  lengthM: 11,
  hull: [],
  windows: [],
  box: { z: [0, 11], y: [0.35, 3.1], halfM: 1.27, coach: true },
  wheels: [2.6, 8.4],
  wheelM: 0.48,
  doors: [],
  plateY: 0.72,
  tail: [0.9, 1.35],
};

const pickUp: Shape = {
  lengthM: 5.6,
  hull: [
    [0.1, 0.42, 0.86],
    [0.0, 0.6, 0.9],
    [0.0, 1.08, 0.92],
    [0.06, 1.12, 0.92],
    [4.1, 1.12, 0.92],
    [5.25, 1.06, 0.88],
    [5.5, 0.92, 0.84],
    [5.6, 0.62, 0.86],
    [5.5, 0.38, 0.84],
  ],
  cabin: [
    [2.0, 1.11, 0.86],
    [2.2, 1.76, 0.72],
    [3.4, 1.78, 0.72],
    [4.2, 1.11, 0.86],
  ],
  windows: [
    [
      [2.3, 1.18],
      [2.4, 1.66],
      [2.85, 1.67],
      [2.85, 1.18],
    ],
    [
      [2.93, 1.18],
      [2.93, 1.67],
      [3.4, 1.67],
      [3.95, 1.18],
    ],
  ],
  wheels: [1.05, 4.5],
  wheelM: 0.4,
  doors: [2.1, 2.9, 4],
  plateY: 0.62,
  tail: [0.82, 1.08],
};

const tractor: Shape = {
  ...cabAt(2.2),
  lengthM: 4.4,
  box: { z: [0, 2.2], y: [0.6, 1.0], halfM: 0.8 },
  wheels: [0.6, 3.4],
  wheelM: 0.5,
  doors: [2.6, 3.7],
  plateY: 0.62,
  tail: [0.66, 0.9],
};

const motorcycle: Shape = {
  lengthM: 2.2,
  hull: [
    [0.15, 0.5, 0.16],
    [0.05, 0.78, 0.18],
    [0.35, 0.92, 0.2],
    [1.1, 0.88, 0.22],
    [1.5, 1.05, 0.2],
    [1.75, 0.9, 0.18],
    [1.6, 0.4, 0.2],
  ],
  windows: [],
  wheels: [0.35, 1.85],
  wheelM: 0.33,
  doors: [],
  plateY: 0.56,
  tail: [0.82, 0.92],
};

/** What New York writes as body type, by its first letters; the first that fits counts. */
const shapes: readonly (readonly [prefixes: readonly string[], shape: Shape])[] = [
  [['MCY', 'MOTO', 'MOPD', 'SCOO', 'MC'], motorcycle],
  [['BUS', 'OMNI'], bus],
  [['TRLR', 'TRAI', 'TLR', 'TRL', 'SEMI', 'CHAS'], trailer],
  [['TRAC', 'TR/C', 'T/CR', 'TR'], tractor],
  [['DELV', 'REFG', 'TK', 'TRUC', 'DUMP', 'FLAT', 'STAK', 'BOX', 'UTIL', 'TOW', 'MIXE', 'TANK', 'GARB'], delivery],
  [['PICK', 'P-U', 'PK', 'PU'], pickUp],
  [['VAN', 'AMBU', 'H/WH', 'LIMO'], van],
  [['SUBN', 'SW', 'UT', 'WAGO', 'SPOR', 'SUV', '5D', 'JEEP'], suburban],
];

/** The shape of a body type as written; what is not known is a sedan. */
export function shapeOf(bodyType: string | undefined): Shape {
  const text = (bodyType ?? '').toUpperCase();
  return shapes.find(([prefixes]) => prefixes.some(prefix => text.startsWith(prefix)))?.[1] ?? sedan;
}

export const isMotorcycle = (shape: Shape): boolean => shape === motorcycle;
