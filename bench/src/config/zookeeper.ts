import { createZooKeeperConfigSource } from '@sd/config-zookeeper'
import { findServer, startZooKeeper } from '@sd/test-servers'
import zookeeper from 'node-zookeeper-client'
import type { Finding } from '../report.ts'
import { compareSource } from './sources.ts'

/** Compares ZooKeeper with the bare client, which reads the node again at every event. */
export async function benchZooKeeper(): Promise<readonly Finding[]> {
  const found = await findServer('zookeeper', { own: true })
  if (!found) return []
  const server = await startZooKeeper(found)
  const findings = await compareSource({
    name: 'zookeeper',
    key: 'orders.json',
    open: () => createZooKeeperConfigSource({ servers: [`127.0.0.1:${server.port}`], prefix: '/bench' }),
    async connectBare() {
      const client = zookeeper.createClient(`127.0.0.1:${server.port}`)
      const connected = new Promise<void>((resolve) => client.once('connected', () => resolve()))
      client.connect()
      await connected
      return {
        write: (text) =>
          new Promise<void>((resolve, reject) =>
            client.setData('/bench/orders.json', Buffer.from(text), (error) => (error ? reject(error) : resolve())),
          ),
        async watch(seen) {
          let ended = false
          function read(): void {
            if (ended) return
            client.getData(
              '/bench/orders.json',
              () => read(),
              (_, data) => seen(String(data)),
            )
          }
          read()
          return () => {
            ended = true
          }
        },
        close: () => client.close(),
      }
    },
  })
  await server.close()
  return findings
}
