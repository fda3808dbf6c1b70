import { type Adapter, AdapterError } from './adapter.ts';

/**
 * The worked example: telemetry as one line of comma-separated values, as small trackers send it:
 * `epoch,seq,seconds since 1970,lat,lon,altitude in feet,speed in knots,heading,battery in %`.
 */
export const adapt: Adapter = ({ fleet, droneId, kind }, payload) => {
  if (kind !== 'telemetry') throw new AdapterError(`compact has no ${kind}, only telemetry`);
  const fields = Buffer.from(payload).toString('utf8').trim().split(',');
  if (fields.length !== 9) throw new AdapterError(`9 fields expected, ${fields.length} found`);
  const [epoch, ...texts] = fields;
  const numbers = texts.map(text => (text === '' ? Number.NaN : Number(text)));
  const bad = numbers.findIndex(value => !Number.isFinite(value));
  if (bad >= 0) throw new AdapterError(`field ${bad + 2} is not a number: ${texts[bad]}`);
  const [seq, seconds, lat, lon, altitudeFt, speedKnots, headingDeg, batteryPct] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    v: 1,
    droneId,
    fleet,
    epoch,
    seq,
    observedAtMs: Math.round(seconds * 1000),
    lat,
    lon,
    altitudeM: altitudeFt * 0.3048,
    speedMps: (speedKnots * 1852) / 3600,
    headingDeg,
    batteryPct,
    temperatureC: 0,
    linkPct: 100,
    mode: 'patrol',
  };
};
