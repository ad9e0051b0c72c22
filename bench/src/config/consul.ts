import { createConsulConfigSource } from '@sd/config-consul'
import { findServer, startConsul } from '@sd/test-servers'
import Consul from 'consul'
import type { Finding } from '../report.ts'
import { compareSource } from './sources.ts'

/** Compares Consul with the watch of the consul package. */
export async function benchConsul(): Promise<readonly Finding[]> {
  const found = await findServer('consul', { own: true })
  if (!found) return []
  const server = await startConsul(found)
  const findings = await compareSource({
    name: 'consul',
    key: 'orders.json',
    open: () => createConsulConfigSource({ servers: [`127.0.0.1:${server.port}`], prefix: 'bench' }),
    async connectBare() {
      const client = new Consul({ host: '127.0.0.1', port: server.port })
      return {
        write: (text) => client.kv.set('bench/orders.json', text),
        async watch(seen) {
          const watch = client.watch({ method: client.kv.get, options: { key: 'bench/', recurse: true } as never })
          watch.on('change', (values) => seen(values[0].Value))
          watch.on('error', () => undefined)
          return () => watch.end()
        },
        close: () => client.destroy(),
      }
    },
  })
  await server.close()
  return findings
}
