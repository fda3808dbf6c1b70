/** How one environment variable is read. `parse` throws a `SettingError` that says what is allowed. */
export interface Setting<T> {
  /** What the documents show as default; undefined when there is none. */
  defaultText: string | undefined;
  /** What is allowed, in words: the second half of an error message. */
  allowed: string;
  help: string;
  secret: boolean;
  parse(text: string | undefined): T;
}

export class SettingError extends Error {}

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

function setting<T>(
  defaultText: string | undefined,
  allowed: string,
  help: string,
  parse: (text: string) => T | undefined,
  secret = false,
): Setting<T> {
  return {
    defaultText,
    allowed,
    help,
    secret,
    parse(text) {
      const value = parse(text ?? defaultText ?? '');
      if (value === undefined) throw new SettingError(allowed);
      return value;
    },
  };
}

/** The same setting with no default: absent gives undefined. */
function optional<T>(inner: Setting<T>): Setting<T | undefined> {
  return {
    ...inner,
    defaultText: undefined,
    parse: text => (text === undefined || text === '' ? undefined : inner.parse(text)),
  };
}

function numberIn(min: number, max: number, text: string, integer: boolean): number | undefined {
  const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max && (!integer || Number.isInteger(value)) ? value : undefined;
}

const integer = (value: number, min: number, max: number, help: string) =>
  setting(String(value), `a whole number from ${min} to ${max}`, help, text => numberIn(min, max, text, true));

const number = (value: number, min: number, max: number, help: string) =>
  setting(String(value), `a number from ${min} to ${max}`, help, text => numberIn(min, max, text, false));

const port = (value: number, help: string) =>
  setting(String(value), 'a port from 0 to 65535; 0 takes any free one', help, text => numberIn(0, 65535, text, true));

const unitBytes: Record<string, number> = { '': 1, KiB, MiB, GiB };

function bytes(value: string, min: number, help: string, max = Number.MAX_SAFE_INTEGER): Setting<number> {
  const most = max === Number.MAX_SAFE_INTEGER ? '' : `, at most ${max}`;
  return setting(value, `bytes, as 4096, 512KiB, 64MiB or 2GiB, at least ${min}${most}`, help, text => {
    const match = /^(\d+)(KiB|MiB|GiB)?$/.exec(text);
    const total = match === null ? -1 : Number(match[1]) * unitBytes[match[2] ?? '']!;
    return total >= min && total <= max ? total : undefined;
  });
}

const words = (value: string, pattern: RegExp, allowed: string, help: string) =>
  setting(value, allowed, help, text => (pattern.test(text) ? text : undefined));

const path = (value: string | undefined, help: string) =>
  setting(value, 'a path', help, text => (text === '' || text.includes('\0') ? undefined : text));

const host = (value: string, help: string) => words(value, /^[0-9A-Za-z.:_-]+$/, 'a host name or address', help);

const secret = (help: string) =>
  optional(setting(undefined, 'not empty', help, text => (text === '' ? undefined : text), true));

function url(schemes: readonly string[], help: string): Setting<string | undefined> {
  const allowed = `a URL that begins with ${schemes.map(scheme => `${scheme}://`).join(' or ')} and holds no password`;
  return optional(
    setting(undefined, allowed, help, text => {
      const parsed = URL.parse(text);
      if (parsed === null || parsed.password !== '') return undefined;
      return schemes.includes(parsed.protocol.slice(0, -1)) ? text : undefined;
    }),
  );
}

function choice<const T extends string>(value: T, values: readonly T[], help: string): Setting<T> {
  return setting(value, `one of ${values.join(', ')}`, help, text => values.find(candidate => candidate === text));
}

const id = (value: string, help: string) =>
  words(value, /^[a-z0-9][a-z0-9-]{0,31}$/, 'lower-case letters, digits and hyphens, at most 32', help);

/** Every setting of every stage, by the name of its environment variable: the name in the code is the name for the user. */
export const settings = {
  DATA_DIR: path('./data', 'Where everything embedded lives: log, archive, outboxes, ledgers.'),
  LOG_LEVEL: choice(
    'info',
    ['error', 'warn', 'info', 'debug', 'silent'],
    'How much the stages write to standard error.',
  ),

  EDGE_DRONES: integer(20, 0, 10_000, 'Simulated drones; 0: none. 1 with MQTT_URL is the process of one real device.'),
  EDGE_SEED: integer(1, 0, 2 ** 31 - 1, 'Same seed, clock and epoch: the same messages, byte for byte.'),
  EDGE_FLEET: id('nyc', 'Fleet of the simulated drones; the first half of their ids.'),
  EDGE_DRONE_ID: optional(id('', 'Id of the one drone when EDGE_DRONES is 1; default {EDGE_FLEET}-0001.')),
  EDGE_CREDENTIALS_FILE: optional(
    path(undefined, 'Drone ids and passwords, made by "npm run drone -- add --count N --out FILE".'),
  ),
  EDGE_TELEMETRY_INTERVAL_MS: integer(1000, 10, 3_600_000, 'Time between two telemetry messages of a drone.'),
  EDGE_VIOLATIONS_PER_HOUR: number(60, 0, 1_000_000, 'Violations that one drone sees in an hour of patrol.'),
  EDGE_UNQUALIFIED_PCT: number(
    5,
    0,
    100,
    'Share of violations that the drone cannot qualify: 5 shows about one a minute, in the field it is about 1.',
  ),
  EDGE_IMAGE_WIDTH_PX: integer(800, 320, 1920, 'Width of the picture that proves a violation; its height is 3/4.'),
  EDGE_FRAME_BYTES: bytes('100000', 20_000, 'Size of a patrol frame, about.', 1024 * KiB),
  EDGE_FRAME_BYTES_PER_DAY: bytes('0', 0, 'Patrol frames that one drone makes in a day; 100000000000 is the brief.'),
  EDGE_OUTBOX_MAX_BYTES: bytes(
    '1GiB',
    64 * KiB,
    'Room for messages without PUBACK: frames find it up to 80 %, telemetry up to 90 %, violations and their pictures up to all of it.',
  ),
  EDGE_DISK_RESERVE_BYTES: bytes('1GiB', 0, 'Free disk space below which the simulated fleet holds and says so.'),
  EDGE_INFLIGHT_MAX: integer(64, 1, 65_535, 'Messages of one drone sent and not yet acknowledged.'),
  MQTT_URL: url(['mqtt', 'mqtts', 'ws', 'wss'], 'The broker that the drones connect to; unset: our own.'),
  MQTT_CA_FILE: optional(path(undefined, 'PEM file of the authority that signed the certificate behind MQTT_URL.')),
  MQTT_PASSWORD: secret('Password of the one real device.'),

  BROKER_HOST: host('127.0.0.1', 'Address that the MQTT listeners bind.'),
  BROKER_PORT: port(1883, 'MQTT over TCP.'),
  BROKER_WS_PORT: optional(port(0, 'MQTT over WebSocket at /mqtt; unset: off.')),
  BROKER_TLS_PORT: optional(port(0, 'MQTT over TLS; unset: off. Needs BROKER_TLS_KEY_FILE and BROKER_TLS_CERT_FILE.')),
  BROKER_TLS_KEY_FILE: optional(path(undefined, 'PEM private key.')),
  BROKER_TLS_CERT_FILE: optional(path(undefined, 'PEM certificate chain.')),
  BROKER_NODE: optional(id('', 'Name of this broker in record headers; default: the host name.')),
  BROKER_PACKET_MAX_BYTES: bytes(
    '2MiB',
    1 * KiB,
    'A larger packet closes its connection from the fixed header on.',
    3 * MiB,
  ),
  BROKER_CONNECT_TIMEOUT_MS: integer(10_000, 100, 600_000, 'Time from the connection to its CONNECT packet.'),
  BROKER_KEEPALIVE_MAX_SECONDS: integer(
    300,
    1,
    65_535,
    'A CONNECT that asks for more, or for none, is refused; three times it without a word is offline.',
  ),
  BROKER_STALL_TIMEOUT_MS: integer(
    60_000,
    100,
    3_600_000,
    'A connection silent for so long inside a packet is closed.',
  ),
  BROKER_CONNECTIONS_MAX: integer(20_000, 1, 1_000_000, 'Connections at once over all listeners.'),
  BROKER_UNACKED_MAX_PACKETS: integer(256, 1, 65_535, 'PUBLISHes without PUBACK above which a connection is not read.'),
  BROKER_UNACKED_MAX_BYTES: bytes('2MiB', 1 * KiB, 'The same in bytes.'),
  BROKER_UNACKED_TOTAL_MAX_BYTES: bytes('64MiB', 64 * KiB, 'The same in bytes over all connections.'),

  BRIDGE_APPEND_TIMEOUT_MS: integer(
    10_000,
    100,
    120_000,
    'Time after which an append has failed: no PUBACK, connection closed.',
  ),
  BRIDGE_ADAPTERS: words(
    '',
    /^([a-z0-9-]+=[a-z0-9-]+(,[a-z0-9-]+=[a-z0-9-]+)*)?$/,
    'FLEET=NAME pairs, comma-separated; names are files in bridge/adapters',
    'Fleets that send their own payload format, and the adapter that reads it.',
  ),

  LOG_URL: url(['kafka'], 'The event log; unset: segment files under DATA_DIR/log.'),
  LOG_USER: secret('User for SASL at LOG_URL.'),
  LOG_PASSWORD: secret('Password for SASL at LOG_URL.'),
  LOG_SEGMENT_BYTES: bytes(
    '64MiB',
    64 * KiB,
    'Size at which the embedded log begins a new segment; at most LOG_MAX_BYTES / 16.',
  ),
  LOG_RETAIN_BYTES: bytes(
    '2GiB',
    0,
    'Archived segments of the embedded log go when it holds more than this, or 0.8 x LOG_MAX_BYTES.',
  ),
  LOG_RETAIN_HOURS: number(168, 0, 1_000_000, 'Archived segments go when they are older than this.'),
  LOG_MAX_BYTES: bytes(
    '20GiB',
    1 * MiB,
    'At this size of the embedded log intake stops until the archive has read on.',
  ),
  LOG_RESERVE_BYTES: bytes(
    '2GiB',
    0,
    'Free disk space below which drones are told to stop sending frames; everything else may use it.',
  ),

  OBJECTS_URL: url(['s3'], 'The object store; unset: files under DATA_DIR.'),
  ARCHIVE_RUN_MAX_RECORDS: integer(
    65_536,
    1,
    1_000_000,
    'Records an object; fixed when a stream is first archived (A1).',
  ),
  ARCHIVE_RUN_MAX_BYTES: bytes('32MiB', 1 * KiB, 'Bytes of records an object; fixed likewise.'),
  ARCHIVE_RUN_WINDOW_SECONDS: integer(600, 1, 86_400, 'Log time an object spans; fixed likewise. Must divide a day.'),
  ARCHIVE_TIME_ZONE: words(
    'America/New_York',
    /^[A-Za-z_]+(\/[A-Za-z_+-]+)*$/,
    'an IANA time zone',
    'Zone of observed_local.',
  ),
  ARCHIVE_MEMORY_BYTES: bytes('96MiB', 32 * MiB, 'Memory limit of the Parquet engine.'),

  METRICS_URL: url(['influx'], 'The metric store; unset: SQLite under DATA_DIR.'),
  METRICS_TOKEN: secret('Token for METRICS_URL.'),
  CONSOLE_HOST: host('127.0.0.1', 'Address of the officer console.'),
  CONSOLE_PORT: port(8080, 'Port of the officer console.'),
  CONSOLE_KEY: secret('Key that seals second factors; the same for every console.'),
  OPS_HOST: host('127.0.0.1', 'Address of /livez, /readyz, /health and /metrics.'),
  OPS_PORT: port(9464, 'Their port; when the default is taken the next free one is used and printed.'),
  AWS_ACCESS_KEY_ID: secret('As everywhere.'),
  AWS_SECRET_ACCESS_KEY: secret('As everywhere.'),
  AWS_SESSION_TOKEN: secret('As everywhere.'),
} as const satisfies Record<string, Setting<unknown>>;
