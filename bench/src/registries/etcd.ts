import { createEtcdRegistry } from '@sd/registry-etcd'
import { findServer, startEtcd } from '@sd/test-servers'
import { Etcd3 } from 'etcd3'
import type { Finding } from '../report.ts'
import { measureFootprint } from './footprint.ts'
import { compareWatches } from './propagation.ts'

/** Compares etcd with the watcher of etcd3. */
export async function benchEtcd(): Promise<readonly Finding[]> {
  const source = await findServer('etcd', { own: true })
  if (!source) return []
  const server = await startEtcd(source)
  const open = (port: number) => createEtcdRegistry({ servers: [`127.0.0.1:${port}`], prefix: '/bench' })
  const footprint = await measureFootprint({ name: 'etcd', port: server.port, open })
  const propagation = await compareWatches({
    name: 'etcd',
    open: () => open(server.port),
    async watchBare(seen) {
      const client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
      const watcher = await client.watch().prefix('/bench/orders/').create()
      watcher.on('put', ({ value }) => seen(value.toString()))
      return async () => {
        await watcher.cancel()
        client.close()
      }
    },
    close: () => server.close(),
  })
  return [...propagation, ...footprint]
}
