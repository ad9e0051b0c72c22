import { createZooKeeperRegistry } from '@sd/registry-zookeeper'
import { findServer, startZooKeeper } from '@sd/test-servers'
import zookeeper from 'node-zookeeper-client'
import type { Finding } from '../report.ts'
import { measureFootprint } from './footprint.ts'
import { compareWatches } from './propagation.ts'

/** Compares ZooKeeper with the bare client, which reads the node again at every event. */
export async function benchZooKeeper(): Promise<readonly Finding[]> {
  const source = await findServer('zookeeper', { own: true })
  if (!source) return []
  const server = await startZooKeeper(source)
  const open = (port: number) => createZooKeeperRegistry({ servers: [`127.0.0.1:${port}`], prefix: '/bench' })
  const footprint = await measureFootprint({ name: 'zookeeper', port: server.port, open })
  const propagation = await compareWatches({
    name: 'zookeeper',
    open: () => open(server.port),
    async watchBare(seen) {
      const client = zookeeper.createClient(`127.0.0.1:${server.port}`)
      const connected = new Promise<void>((resolve) => client.once('connected', () => resolve()))
      client.connect()
      await connected
      function read(): void {
        client.getData(
          '/bench/orders/orders-1',
          () => read(),
          (_, data) => seen(String(data)),
        )
      }
      read()
      return () => client.close()
    },
    close: () => server.close(),
  })
  return [...propagation, ...footprint]
}
