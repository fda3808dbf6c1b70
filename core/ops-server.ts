import { createServer, type Server } from 'node:http';
import { defineErrors } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { type Health, type Service, serviceLife } from './service.ts';

export const opsErrors = defineErrors('OPS', {
  LISTEN_FAILED: { misuse: true, message: 'Cannot listen on {host}:{port}: change OPS_HOST or OPS_PORT' },
});

export interface OpsServer extends Service {
  /** The port really taken: the next free one when the default was taken. */
  readonly port: number;
}

export interface OpsServerDeps {
  metrics: Metrics;
  /** The stages running in this process, asked anew at every request. */
  stages: () => readonly Service[];
  /** False until every stage has started and again once the stop has begun. */
  ready: () => boolean;
}

const portsTried = 20;

/**
 * HTTP for operators and orchestrators: `/livez` (the process answers), `/readyz` (all stages started and well),
 * `/health` (JSON, a member per stage), `/health/{stage}`, `/metrics` (Prometheus text). 200 or 503, 404 for anything else.
 * With `portIsDefault` a taken port gives the next free one; a port that the user chose and is taken is `OPS_LISTEN_FAILED`.
 */
export async function startOpsServer(
  config: { OPS_HOST: string; OPS_PORT: number; portIsDefault: boolean },
  deps: OpsServerDeps,
): Promise<OpsServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0]!;
    answer(path, deps).then(
      ({ status, contentType, body }) => {
        response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
        response.end(request.method === 'HEAD' ? undefined : body);
      },
      error => {
        response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
        response.end(`${error}\n`);
      },
    );
  });
  const port = await listenOnFreePort(server, config.OPS_HOST, config.OPS_PORT, config.portIsDefault ? portsTried : 1);
  const life = serviceLife(async () => {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });
  return { name: 'ops', port, closed: life.closed, stop: life.stop, health: () => ({ ok: server.listening }) };
}

interface Answer {
  status: number;
  contentType: string;
  body: string;
}

async function answer(path: string, { metrics, stages, ready }: OpsServerDeps): Promise<Answer> {
  if (path === '/metrics') return { status: 200, ...(await metrics.expose()) };
  if (path === '/livez') return text(200, 'live');
  const healths = stages().map(stage => [stage.name, stage.health()] as const);
  const well = healths.every(([, health]) => health.ok);
  if (path === '/readyz') return ready() && well ? text(200, 'ready') : text(503, 'not ready');
  if (path === '/health') return json(well, { ok: well, stages: Object.fromEntries(healths) });
  const one = healths.find(([name]) => path === `/health/${name}`);
  return one === undefined ? text(404, 'not found') : json(one[1].ok, one[1]);
}

function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}

function json(well: boolean, value: Health | object): Answer {
  const body = JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? Number(member) : member), 2);
  return { status: well ? 200 : 503, contentType: 'application/json', body: `${body}\n` };
}

async function listenOnFreePort(server: Server, host: string, port: number, tries: number): Promise<number> {
  for (let candidate = port; ; candidate++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(candidate, host, () => {
          server.off('error', reject);
          resolve();
        });
      });
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE' && candidate - port + 1 < tries) continue;
      throw opsErrors.LISTEN_FAILED({ host, port: candidate }, error);
    }
  }
}
