import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { Config } from '../core/config.ts';
import { defineErrors } from '../core/errors.ts';

export type ListenerConfig = Pick<
  Config,
  | 'BROKER_HOST'
  | 'BROKER_PORT'
  | 'BROKER_WS_PORT'
  | 'BROKER_TLS_PORT'
  | 'BROKER_TLS_KEY_FILE'
  | 'BROKER_TLS_CERT_FILE'
  | 'BROKER_CONNECT_TIMEOUT_MS'
  | 'BROKER_CONNECTIONS_MAX'
  | 'BROKER_PACKET_MAX_BYTES'
>;

export const listenerErrors = defineErrors('BROKER', {
  PORT_TAKEN: {
    misuse: true,
    message: 'Something else listens on {host}:{port}: set {variable} to another port, or BROKER_HOST',
  },
  PORT_REFUSED: {
    misuse: true,
    message: 'Cannot listen on {host}:{port} ({reason}): change {variable} or BROKER_HOST',
  },
  TLS_FILE: { misuse: true, message: 'Cannot read {path} ({reason}), which {variable} names' },
  TLS_FILES: {
    misuse: true,
    message: 'BROKER_TLS_KEY_FILE and BROKER_TLS_CERT_FILE are not a private key and its certificate: {reason}',
  },
});

export interface Listeners {
  readonly ports: { mqtt: number; ws?: number; tls?: number };
  readonly addresses: readonly string[];
  /** Sockets over all listeners, whatever came through them so far. */
  sockets(): number;
  /** Takes no new connection. */
  close(): void;
  /** Waits a moment for the other sides to close, ends every socket that is left, resolves when all listeners are down. */
  destroy(): Promise<void>;
}

interface Listener {
  server: Server;
  variable: 'BROKER_PORT' | 'BROKER_WS_PORT' | 'BROKER_TLS_PORT';
  port: number;
}

/** How long sockets that were ended in order may stay when the listeners go down. */
const closeGraceMs = 500;

/**
 * Opens every listener that has a port and hands each connection to `accept`, or none when one fails.
 * `turnedAway` hears of those that never got so far.
 */
export async function openListeners(
  config: ListenerConfig,
  accept: (stream: Duplex) => void,
  turnedAway: (reason: 'surplus' | 'not-accepted') => void,
): Promise<Listeners> {
  const sockets = new Set<Socket>();

  function admit(socket: Socket): void {
    if (sockets.size >= config.BROKER_CONNECTIONS_MAX) {
      turnedAway('surplus');
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('error', () => {}); // 'close' follows, and that is what counts
    socket.once('close', () => sockets.delete(socket));
  }

  const plain = createServer({ noDelay: true }, socket => {
    if (!socket.destroyed) accept(socket);
  });
  const listeners: Listener[] = [{ server: plain, variable: 'BROKER_PORT', port: config.BROKER_PORT }];
  if (config.BROKER_TLS_PORT !== undefined) {
    listeners.push({ server: tlsServer(config, accept), variable: 'BROKER_TLS_PORT', port: config.BROKER_TLS_PORT });
  }
  if (config.BROKER_WS_PORT !== undefined) {
    listeners.push({ server: wsServer(config, accept), variable: 'BROKER_WS_PORT', port: config.BROKER_WS_PORT });
  }

  const host = config.BROKER_HOST;
  const close = () => {
    for (const { server } of listeners) if (server.listening) server.close();
  };
  try {
    for (const listener of listeners) {
      listener.server.prependListener('connection', admit);
      await listen(listener, host);
      listener.server.on('error', () => turnedAway('not-accepted'));
    }
  } catch (error) {
    close();
    throw error;
  }
  const down = listeners.map(({ server }) => new Promise(resolve => server.once('close', resolve)));
  const portOf = (variable: Listener['variable']) => {
    const listener = listeners.find(candidate => candidate.variable === variable);
    return listener === undefined ? undefined : (listener.server.address() as AddressInfo).port;
  };
  const [mqtt, tls, ws] = [portOf('BROKER_PORT')!, portOf('BROKER_TLS_PORT'), portOf('BROKER_WS_PORT')];
  const name = host.includes(':') ? `[${host}]` : host;

  return {
    ports: { mqtt, ...(ws === undefined ? {} : { ws }), ...(tls === undefined ? {} : { tls }) },
    addresses: [
      `mqtt://${name}:${mqtt}`,
      ...(tls === undefined ? [] : [`mqtts://${name}:${tls}`]),
      ...(ws === undefined ? [] : [`ws://${name}:${ws}/mqtt`]),
    ],
    sockets: () => sockets.size,
    close,
    async destroy() {
      close();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, closeGraceMs);
      await Promise.all(down);
      clearTimeout(timer);
    },
  };
}

function listen({ server, variable, port }: Listener, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (cause: NodeJS.ErrnoException) => {
      const detail = { host, port, variable, reason: cause.code ?? cause.message };
      const { PORT_TAKEN, PORT_REFUSED } = listenerErrors;
      reject(cause.code === 'EADDRINUSE' ? PORT_TAKEN(detail, cause) : PORT_REFUSED(detail, cause));
    };
    server.once('error', refused);
    server.listen(port, host, () => {
      server.off('error', refused);
      resolve();
    });
  });
}

function tlsServer(config: ListenerConfig, accept: (stream: Duplex) => void): Server {
  const read = (variable: 'BROKER_TLS_KEY_FILE' | 'BROKER_TLS_CERT_FILE') => {
    const path = config[variable] ?? '';
    try {
      return readFileSync(path);
    } catch (cause) {
      throw listenerErrors.TLS_FILE({ path, variable, reason: (cause as NodeJS.ErrnoException).code }, cause);
    }
  };
  const key = read('BROKER_TLS_KEY_FILE');
  const cert = read('BROKER_TLS_CERT_FILE');
  try {
    return createTlsServer(
      { key, cert, minVersion: 'TLSv1.2', noDelay: true, handshakeTimeout: config.BROKER_CONNECT_TIMEOUT_MS },
      accept,
    );
  } catch (cause) {
    throw listenerErrors.TLS_FILES({ reason: (cause as Error).message }, cause);
  }
}

const wsPath = '/mqtt';

/** MQTT over WebSocket (MQTT 3.1.1, 6): subprotocol `mqtt`, packets may cross messages. */
function wsServer(config: ListenerConfig, accept: (stream: Duplex) => void): Server {
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: config.BROKER_PACKET_MAX_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: () => 'mqtt',
  });
  const timeoutMs = config.BROKER_CONNECT_TIMEOUT_MS;
  const server = createHttpServer(
    { headersTimeout: timeoutMs, requestTimeout: timeoutMs, connectionsCheckingInterval: 1000, noDelay: true },
    (_, response) => {
      response.writeHead(404, { connection: 'close' }).end();
    },
  );
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, webSocket => accept(createWebSocketStream(webSocket)));
  });
  return server;
}

function refusalOf({ url, headers }: IncomingMessage): string | undefined {
  if (url?.split('?', 1)[0] !== wsPath) return '404 Not Found';
  const offered = headers['sec-websocket-protocol']?.split(',').map(protocol => protocol.trim());
  return offered?.includes('mqtt') ? undefined : '400 Bad Request';
}
