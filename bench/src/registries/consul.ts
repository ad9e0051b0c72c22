import { createConsulRegistry } from '@sd/registry-consul'
import { findServer, startConsul } from '@sd/test-servers'
import Consul from 'consul'
import type { Finding } from '../report.ts'
import { measureFootprint } from './footprint.ts'
import { compareWatches } from './propagation.ts'

/** Compares Consul with the watch of the consul package. */
export async function benchConsul(): Promise<readonly Finding[]> {
  const source = await findServer('consul', { own: true })
  if (!source) return []
  const server = await startConsul(source)
  const open = (port: number) => createConsulRegistry({ servers: [`127.0.0.1:${port}`] })
  const footprint = await measureFootprint({ name: 'consul', port: server.port, open })
  const propagation = await compareWatches({
    name: 'consul',
    open: () => open(server.port),
    async watchBare(seen) {
      const client = new Consul({ host: '127.0.0.1', port: server.port })
      const watch = client.watch({ method: client.health.service, options: { service: 'orders' } as never })
      watch.on('change', (entries) => seen(JSON.stringify(entries)))
      watch.on('error', () => undefined)
      return () => {
        watch.end()
        client.destroy()
      }
    },
    close: () => server.close(),
  })
  return [...propagation, ...footprint]
}
