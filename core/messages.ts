import Type, { type Static, type TObject, type TProperties, type TUnsafe } from 'typebox';
import { idPattern, sha256Pattern, ulidPattern } from './ids.ts';

/** One kind of message: what everything else (topics, validation, archive columns, docs) is made from. */
export interface MessageKind {
  /** The topic level that names it, and the record header `kind`. */
  kind: string;
  /** One sentence for the documents. */
  title: string;
  direction: 'up' | 'down';
  /** `json` payloads have a schema; `picture` payloads are JPEG or PNG bytes whose SHA-256 is the last topic level. */
  content: 'json' | 'picture';
  schema?: TObject;
  /** The stream its records go to, keyed by drone id. */
  stream: string;
  /** Whether it carries `epoch` and a gapless `seq` of its own, so that the audit can name what is missing. */
  numbered: boolean;
  /** Sent with the MQTT retain flag, and as last will. */
  retained: boolean;
  maxPayloadBytes: number;
  /** A valid payload, shown in docs/messages.md and checked by a test. */
  example?: Record<string, unknown>;
}

const Id = Type.String({ pattern: idPattern });
const Ulid = Type.String({ pattern: ulidPattern });
const ImageId = Type.String({ pattern: sha256Pattern, description: 'SHA-256 of the picture, in hex' });
export const CaseId = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,31}:[0-7][0-9A-HJKMNP-TV-Z]{25}:[1-9][0-9]{0,15}$',
  description: '{droneId}:{epoch}:{seq} of the report',
});
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Seq = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
// 2001-09-09 to the year 5138: anything below is seconds, anything above microseconds. The bridge checks the rest.
const TimeMs = Type.Integer({
  minimum: 1e12,
  maximum: 99_999_999_999_999,
  description: 'UTC, milliseconds since 1970',
});
const Fraction = Type.Number({ minimum: 0, maximum: 1 });
const Percent = Type.Number({ minimum: 0, maximum: 100 });
const text = (maxLength: number) => Type.String({ maxLength });

const sender = { v: Type.Literal(1), droneId: Id, fleet: Id };
const observed = {
  epoch: Ulid,
  observedAtMs: TimeMs,
  traceparent: Type.Optional(
    Type.String({ pattern: '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$', description: 'W3C Trace Context' }),
  ),
};
const place = {
  lat: Type.Number({ minimum: -90, maximum: 90, description: 'WGS 84' }),
  lon: Type.Number({ minimum: -180, maximum: 180, description: 'WGS 84' }),
};

/** Everything a numbered message of a drone begins with. `seq` counts 1, 2, 3 ... within (droneId, epoch, kind). */
const numbered = <P extends TProperties>(properties: P) =>
  Type.Object({ ...sender, ...observed, seq: Seq, ...properties });

export const flightModes = ['patrol', 'hold', 'return', 'charge'] as const;
export const unqualifiedReasons = [
  'plate-unreadable',
  'sign-occluded',
  'two-codes-possible',
  'camera-angle',
  'unknown-vehicle',
  'low-confidence',
] as const;
export const commandActions = ['hold', 'resume', 'photograph-again', 'return', 'config'] as const;

// The static type of a union over an array is never; TUnsafe names it, the schema stays the union.
const literals = <T extends string>(values: readonly T[]) =>
  Type.Union(values.map(value => Type.Literal(value))) as unknown as TUnsafe<T>;

export const Telemetry = numbered({
  ...place,
  altitudeM: Type.Number({ minimum: -500, maximum: 10_000 }),
  speedMps: Type.Number({ minimum: 0, maximum: 200 }),
  headingDeg: Type.Number({ minimum: 0, exclusiveMaximum: 360 }),
  batteryPct: Percent,
  temperatureC: Type.Number({ minimum: -100, maximum: 150 }),
  linkPct: Percent,
  mode: literals(flightModes),
  frames: Type.Optional(
    Type.Array(ImageId, { maxItems: 256, description: 'patrol frames taken since the telemetry before' }),
  ),
});

export const Violation = numbered({
  ...place,
  street: text(64),
  house: Type.Optional(text(16)),
  county: text(32),
  precinct: Type.Optional(Type.Integer({ minimum: 1, maximum: 999 })),
  plate: Type.Optional(text(16)),
  plateState: Type.Optional(text(2)),
  plateType: Type.Optional(text(3)),
  bodyType: Type.Optional(text(8)),
  colour: Type.Optional(text(8)),
  make: Type.Optional(text(16)),
  code: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 99,
      description: 'violation code; absent when the drone could not qualify it',
    }),
  ),
  confidence: Type.Optional(Fraction),
  candidates: Type.Array(Type.Object({ code: Type.Integer({ minimum: 0, maximum: 99 }), confidence: Fraction }), {
    maxItems: 3,
  }),
  reason: Type.Optional(literals(unqualifiedReasons)),
  images: Type.Array(ImageId, { maxItems: 16 }),
  answers: Type.Optional(
    Type.Object({ command: Ulid, case: CaseId }, { description: 'set when a command asked for this picture' }),
  ),
  firmware: text(32),
  model: text(64),
  policy: text(32),
});

const Progress = Type.Object({
  made: Count,
  lowestUnacknowledged: Type.Optional(Seq),
  refused: Count,
});

export const State = Type.Object({
  ...sender,
  ...observed,
  status: literals(['online', 'offline']),
  firmware: text(32),
  backlogMessages: Count,
  backlogBytes: Count,
  kinds: Type.Record(Type.String({ pattern: '^[a-z]{1,16}$' }), Progress, {
    description:
      'for each numbered kind: highest seq made, lowest seq without PUBACK, messages refused for space; for pictures, made is their count',
  }),
});

export const Command = Type.Object({
  ...sender,
  commandId: Ulid,
  action: literals(commandActions),
  issuedAtMs: TimeMs,
  expiresAtMs: TimeMs,
  by: Type.Optional(text(64)),
  case: Type.Optional(CaseId),
  config: Type.Optional(
    Type.Object({
      violationsPerHour: Type.Optional(Type.Number({ minimum: 0, maximum: 100_000 })),
      frames: Type.Optional(Type.Boolean({ description: 'whether to make and send patrol frames' })),
    }),
  ),
});

export const Ack = numbered({
  commandId: Ulid,
  outcome: literals(['done', 'refused', 'expired']),
  note: Type.Optional(text(256)),
});

export type Telemetry = Static<typeof Telemetry>;
export type Violation = Static<typeof Violation>;
export type State = Static<typeof State>;
export type Command = Static<typeof Command>;
export type Ack = Static<typeof Ack>;

const epoch = '01K0N1V7Z0J8Q4S6T2W9X3Y5AB';
const head = { v: 1, droneId: 'nyc-0007', fleet: 'nyc' };

/** The public contract (DESIGN section 4). A new kind is one entry here; docs/extend.md shows what follows by itself. */
export const messageKinds: readonly MessageKind[] = [
  {
    kind: 'telemetry',
    title: 'Where the drone is and how it is doing, about once a second.',
    direction: 'up',
    content: 'json',
    schema: Telemetry,
    stream: 'telemetry',
    numbered: true,
    retained: false,
    maxPayloadBytes: 64 * 1024,
    example: {
      ...head,
      epoch,
      seq: 4711,
      observedAtMs: 1_795_605_600_000,
      lat: 40.75426,
      lon: -73.98442,
      altitudeM: 31.5,
      speedMps: 6.2,
      headingDeg: 209.4,
      batteryPct: 81.3,
      temperatureC: 24.8,
      linkPct: 92,
      mode: 'patrol',
    },
  },
  {
    kind: 'violation',
    title: 'A vehicle that seems to break a parking rule; without `code` it waits for an officer.',
    direction: 'up',
    content: 'json',
    schema: Violation,
    stream: 'violation',
    numbered: true,
    retained: false,
    maxPayloadBytes: 64 * 1024,
    example: {
      ...head,
      epoch,
      seq: 12,
      observedAtMs: 1_795_605_601_250,
      lat: 40.75426,
      lon: -73.98442,
      street: '7th Ave',
      house: '552',
      county: 'NY',
      precinct: 14,
      plate: 'GBB9093',
      plateState: 'NY',
      plateType: 'PAS',
      bodyType: 'SUBN',
      colour: 'GY',
      make: 'TOYOT',
      candidates: [
        { code: 14, confidence: 0.48 },
        { code: 19, confidence: 0.41 },
      ],
      reason: 'two-codes-possible',
      images: [],
      firmware: '1.0.0',
      model: 'kerb@1',
      policy: 'nyc-2024',
    },
  },
  {
    kind: 'image',
    title: 'A picture that proves a violation; sent before the violation that names it.',
    direction: 'up',
    content: 'picture',
    stream: 'image',
    numbered: false,
    retained: false,
    maxPayloadBytes: 1024 * 1024,
  },
  {
    kind: 'frame',
    title: 'A patrol frame; telemetry lists its id, which gives it time and place.',
    direction: 'up',
    content: 'picture',
    stream: 'frame',
    numbered: false,
    retained: false,
    maxPayloadBytes: 1024 * 1024,
  },
  {
    kind: 'state',
    title: 'Online or offline, and how far the drone has come with each numbered kind. Retained, and the last will.',
    direction: 'up',
    content: 'json',
    schema: State,
    stream: 'state',
    numbered: false,
    retained: true,
    maxPayloadBytes: 16 * 1024,
    example: {
      ...head,
      epoch,
      observedAtMs: 1_795_605_590_000,
      status: 'online',
      firmware: '1.0.0',
      backlogMessages: 3,
      backlogBytes: 1140,
      kinds: {
        telemetry: { made: 4710, lowestUnacknowledged: 4708, refused: 0 },
        violation: { made: 11, refused: 0 },
        ack: { made: 0, refused: 0 },
      },
    },
  },
  {
    kind: 'command',
    title: 'What the ground asks of one drone; sent again until it is answered or has expired.',
    direction: 'down',
    content: 'json',
    schema: Command,
    stream: 'command',
    numbered: false,
    retained: false,
    maxPayloadBytes: 16 * 1024,
    example: {
      ...head,
      commandId: '01K0N1V8A2B3C4D5E6F7G8H9JK',
      action: 'hold',
      issuedAtMs: 1_795_605_602_000,
      expiresAtMs: 1_795_605_902_000,
      by: 'operator',
    },
  },
  {
    kind: 'ack',
    title: 'How a command ended. A command that comes twice is answered twice, and done once.',
    direction: 'up',
    content: 'json',
    schema: Ack,
    stream: 'command',
    numbered: true,
    retained: false,
    maxPayloadBytes: 16 * 1024,
    example: {
      ...head,
      epoch,
      seq: 1,
      observedAtMs: 1_795_605_602_400,
      commandId: '01K0N1V8A2B3C4D5E6F7G8H9JK',
      outcome: 'done',
    },
  },
];

/** Kinds that later stages will send; no drone may use the name for something else. */
export const reservedKinds: readonly string[] = ['clip', 'detection'];
