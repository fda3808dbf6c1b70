import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Aedes, type Client, type ConnectPacket } from 'aedes';
import { parseTopic } from '../../core/topics.ts';

export interface Received {
  droneId: string;
  kind: string;
  retain: boolean;
  /** Empty for a picture. */
  body: Record<string, unknown> & { seq: number };
  imageId: string | undefined;
  /** The bytes of a picture. */
  payload?: Buffer;
}

/** The real broker on a port of its own, with what a test wants to see and to break. */
export interface TestBroker {
  readonly url: string;
  /** Everything the drones published, in order of arrival. */
  readonly received: Received[];
  readonly connects: number;
  readonly disconnects: number;
  /** CONNECT is answered with this return code; 0: welcome. */
  refuseWith: number;
  /** While set, PUBLISHes of numbered messages are read and never acknowledged. */
  withhold: boolean;
  /** The next CONNECT packet that arrives. */
  nextConnect(): Promise<ConnectPacket>;
  command(droneId: string, payload: unknown): void;
  cutAll(): void;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startBroker(t: TestContext): Promise<TestBroker> {
  let aedes: Aedes;
  let server: Server;
  let port = 0;
  let sawConnect = (_packet: ConnectPacket) => {};
  const sockets = new Set<Socket>();
  const [received, counts] = [[] as Received[], { connects: 0, disconnects: 0 }];

  async function start(): Promise<void> {
    aedes = await Aedes.createBroker({
      preConnect(_, packet, done) {
        sawConnect(packet);
        done(null, true);
      },
      authenticate(client, username, password, done) {
        const right = username === client?.id && password?.toString() === `password of ${client?.id}`;
        const returnCode = broker.refuseWith || (right ? 0 : 4);
        if (returnCode === 0) return done(null, true);
        done(Object.assign(new Error('refused'), { returnCode: returnCode as 3 }), false);
      },
      authorizePublish(client: Client | null, packet, done) {
        const { droneId, kind, imageId } = parseTopic(packet.topic)!;
        const payload = Buffer.from(packet.payload);
        const body = imageId === undefined ? JSON.parse(payload.toString()) : {};
        received.push({
          droneId,
          kind,
          retain: packet.retain,
          body,
          imageId,
          ...(imageId === undefined ? {} : { payload }),
        });
        if (client === null || !broker.withhold || kind === 'state') done(null);
      },
    });
    aedes.on('clientReady', () => {
      counts.connects++;
    });
    aedes.on('clientDisconnect', () => {
      counts.disconnects++;
    });
    server = createServer(socket => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      aedes.handle(socket);
    });
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  }

  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };

  async function stop(): Promise<void> {
    cutAll();
    await new Promise(resolve => server.close(resolve));
    await new Promise<void>(resolve => aedes.close(resolve));
  }

  const broker: TestBroker = {
    get url() {
      return `mqtt://127.0.0.1:${port}`;
    },
    received,
    get connects() {
      return counts.connects;
    },
    get disconnects() {
      return counts.disconnects;
    },
    refuseWith: 0,
    withhold: false,
    nextConnect: () =>
      new Promise(resolve => {
        sawConnect = resolve;
      }),
    command(droneId, payload) {
      const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
      const topic = `prestacop/v1/nyc/${droneId}/command`;
      aedes.publish({ cmd: 'publish', topic, payload: text, qos: 1, retain: false, dup: false }, () => {});
    },
    cutAll,
    stop,
    start,
  };
  await start();
  t.after(stop);
  return broker;
}
