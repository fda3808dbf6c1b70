#!/usr/bin/env python3
"""A device of your own, by docs/messages.md alone: pip install paho-mqtt, then
   npm run drone -- add my-drone --fleet mine --json
   MQTT_PASSWORD=... python3 examples/drone.py my-drone mine
"""
import json, os, secrets, sys, time
import paho.mqtt.client as mqtt

drone, fleet = sys.argv[1], sys.argv[2]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 20
topic = f"prestacop/v1/{fleet}/{drone}"


def ulid():
    value = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(value >> shift) & 31] for shift in range(125, -1, -5))


epoch = ulid()  # a real device keeps epoch, numbers and unacknowledged messages on disk
made = {"telemetry": 0, "violation": 0, "ack": 0}


def message(kind, **fields):
    made[kind] += 1
    head = {"v": 1, "droneId": drone, "fleet": fleet, "epoch": epoch, "seq": made[kind]}
    return json.dumps({**head, "observedAtMs": int(time.time() * 1000), **fields})


def state(status):
    return json.dumps({
        "v": 1, "droneId": drone, "fleet": fleet, "epoch": epoch, "observedAtMs": int(time.time() * 1000),
        "status": status, "firmware": "drone.py", "backlogMessages": 0, "backlogBytes": 0,
        "kinds": {kind: {"made": number, "refused": 0} for kind, number in made.items()},
    })


def on_command(client, _, packet):
    command = json.loads(packet.payload)
    print("command:", command["action"])
    client.publish(f"{topic}/ack", message("ack", commandId=command["commandId"], outcome="done"), qos=1)


def publish(kind, payload, retain=False):
    """QoS 1: returns when the PUBACK is here, which means that the message is durable in the log."""
    sent = client.publish(f"{topic}/{kind}", payload, qos=1, retain=retain)
    try:
        sent.wait_for_publish(timeout=float(os.environ.get("PUBACK_S", "30")))
        acknowledged = sent.is_published()
    except RuntimeError:  # not connected
        acknowledged = False
    if not acknowledged:
        sys.exit(f"{drone}: no PUBACK for {kind}: not stored as far as we know, so a real device would keep it")


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=drone, clean_session=True)
client.username_pw_set(drone, os.environ["MQTT_PASSWORD"])
client.will_set(f"{topic}/state", state("offline"), qos=1, retain=True)
client.on_message = on_command
client.on_connect = lambda client, *_: client.subscribe(f"{topic}/command", qos=1)
client.connect(os.environ.get("MQTT_HOST", "127.0.0.1"), int(os.environ.get("MQTT_PORT", "1883")), keepalive=300)
client.loop_start()

state_due = 0
for number in range(count):
    if time.monotonic() >= state_due:  # at least every five minutes
        publish("state", state("online"), retain=True)
        state_due = time.monotonic() + 240
    publish("telemetry", message(
        "telemetry", lat=40.7484 + number * 1e-4, lon=-73.9857, altitudeM=30, speedMps=5, headingDeg=29,
        batteryPct=max(0, 100 - number * 0.1), temperatureC=21.5, linkPct=95, mode="patrol"))
    time.sleep(float(os.environ.get("PAUSE_S", "0.05")))
publish("violation", message(
    "violation", lat=40.7484, lon=-73.9857, street="5th Ave", county="NY", precinct=14, plate="ABC1234",
    plateState="NY", candidates=[{"code": 46, "confidence": 0.5}, {"code": 47, "confidence": 0.4}],
    reason="two-codes-possible", images=[], firmware="drone.py", model="eye@1", policy="nyc-2024"))
publish("state", state("offline"), retain=True)
client.disconnect()
print(f"{drone}: {made['telemetry']} telemetry and 1 violation acknowledged, epoch {epoch}")
