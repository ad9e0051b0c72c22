import cluster from 'node:cluster'
import type { EventLog } from '../event-log.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import type { MetricsRequest, WorkerMessage } from './messages.ts'

/** Runs one of several processes that share the listeners. Resolves once it serves. */
export async function runWorker(file: string, log: EventLog, writeAccess: (lines: string) => void): Promise<GatewayProcess> {
  const worker = String(cluster.worker?.id)
  const started = await startGatewayProcess({ file, log, writeAccess, labels: { worker }, signals: ['SIGTERM', 'SIGINT'] })
  process.on('message', (message: MetricsRequest) => {
    if (message.kind !== 'metrics') return
    void started.metrics.register
      .getMetricsAsJSON()
      .then((metrics) => send({ kind: 'metrics', id: message.id, metrics }))
      .catch((error: unknown) => log.error('metrics', error))
  })
  process.on('SIGHUP', () => void started.reload())
  // The parent has ended without a signal to its workers.
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => send({ kind: 'draining' }))
  send({ kind: 'ready', addresses: started.addresses })
  return started
}

function send(message: WorkerMessage): void {
  if (process.connected) process.send?.(message)
}
