#!/usr/bin/env bash
# One telemetry message from the shell, by docs/messages.md alone. Needs mosquitto-clients.
#   npm run drone -- add shell-drone --fleet mine
#   MQTT_PASSWORD=... examples/mosquitto.sh shell-drone mine
set -euo pipefail
drone=$1 fleet=$2 seq=${3:-1} epoch=${4:-}
now_ms=$(date +%s%3N)
# A ULID: 10 digits of time, 16 of chance, base 32.
if [ -z "$epoch" ]; then
  alphabet=0123456789ABCDEFGHJKMNPQRSTVWXYZ time=$now_ms
  for _ in {1..10}; do epoch=${alphabet:time%32:1}$epoch time=$((time / 32)); done
  for _ in {1..16}; do epoch+=${alphabet:RANDOM%32:1}; done
fi
mosquitto_pub -h "${MQTT_HOST:-127.0.0.1}" -p "${MQTT_PORT:-1883}" -V mqttv311 -q 1 \
  -i "$drone" -u "$drone" -P "$MQTT_PASSWORD" \
  -t "prestacop/v1/$fleet/$drone/telemetry" -m "{
    \"v\": 1, \"droneId\": \"$drone\", \"fleet\": \"$fleet\", \"epoch\": \"$epoch\", \"seq\": $seq, \"observedAtMs\": $now_ms,
    \"lat\": 40.7484, \"lon\": -73.9857, \"altitudeM\": 30, \"speedMps\": 5, \"headingDeg\": 29,
    \"batteryPct\": 88, \"temperatureC\": 21.5, \"linkPct\": 95, \"mode\": \"patrol\"}"
echo "$drone: telemetry $seq acknowledged, epoch $epoch"
