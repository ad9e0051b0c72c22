import type { ObservePart } from '@sd/gateway-document'
import { AggregatorRegistry } from 'prom-client'
import type { EventLog } from '../event-log.ts'
import { type ObserveServer, serveObserve } from './observe-server.ts'
import type { Running } from './running.ts'
import { startWorkers, type WorkerPool, type WorkersOptions } from './worker-pool.ts'

/** Runs a gateway in several processes. This one handles no requests: it restarts workers, and has their metrics and health. */
export async function startParent(options: WorkersOptions, observe: Required<ObservePart>, log: EventLog): Promise<Running> {
  const pool = await startWorkers(options, log)
  let server: ObserveServer
  try {
    server = await serveObserve(observe.address, (request, response) => {
      const path = request.url?.split('?', 1)[0]
      if (path === '/metrics') {
        void writeMetrics(pool).then(
          ({ text, type }) => response.writeHead(200, { 'content-type': type }).end(text),
          (error: unknown) => {
            log.error('metrics', error)
            response.writeHead(500).end()
          },
        )
      } else if (path === observe.livePath) response.writeHead(200).end('live\n')
      else if (path === observe.readyPath) {
        response.writeHead(pool.isReady ? 200 : 503).end(pool.isReady ? 'ready\n' : 'not ready\n')
      } else return false
      return true
    })
  } catch (error) {
    await pool.close('SIGTERM')
    throw error
  }
  return {
    addresses: pool.addresses,
    observe: server.url,
    reload: () => pool.signal('SIGHUP'),
    async close(signal) {
      const isClean = await pool.close(signal)
      await server.close()
      return isClean
    },
  }
}

/** One page for all workers: their series differ by the label `worker`, so nothing has to be summed up. */
async function writeMetrics(pool: WorkerPool): Promise<{ readonly text: string; readonly type: string }> {
  const register = AggregatorRegistry.aggregate((await pool.metrics()) as object[])
  return { text: await register.metrics(), type: register.contentType }
}
