import { connect, createServer, type Socket } from 'node:net';

/** A link between drones and a broker that carries so many bits a second up, and down what it likes. */
export interface ThinLink {
  readonly url: string;
  close(): void;
}

const tokenMs = 10;

export async function openThinLink(brokerUrl: string, bitsPerSecond: number): Promise<ThinLink> {
  const port = Number(new URL(brokerUrl).port);
  const sockets = new Set<Socket>();
  const server = createServer(drone => {
    const broker = connect(port, '127.0.0.1');
    for (const socket of [drone, broker]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        clearInterval(carrying);
        (socket === drone ? broker : drone).destroy();
      });
    }
    broker.pipe(drone, { end: false });
    drone.pause();
    let [beganMs, carried] = [performance.now(), 0];
    const carrying = setInterval(() => {
      const may = Math.floor(((performance.now() - beganMs) / 1000) * (bitsPerSecond / 8)) - carried;
      const bytes: Buffer | null =
        drone.readableLength === 0 ? drone.read(0) : drone.read(Math.min(may, drone.readableLength));
      if (bytes !== null) {
        broker.write(bytes);
        carried += bytes.length;
      } else [beganMs, carried] = [performance.now(), 0]; // an idle link saves nothing up
    }, tokenMs);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
