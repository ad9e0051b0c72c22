import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createNacosConfigSource } from '@sd/config-nacos'
import { findServer, startNacos } from '@sd/test-servers'
import { DataClient } from 'nacos'
import type { Finding } from '../report.ts'
import { compareSource } from './sources.ts'

const place = { dataId: 'orders.json', group: 'DEFAULT_GROUP' }

// Our source slows down if polls return at once repeatedly.
const pauseMs = 300

/** Compares Nacos with `DataClient` of the SDK. */
export async function benchNacos(): Promise<readonly Finding[]> {
  const found = await findServer('nacos', { own: true })
  if (!found) return []
  const server = await startNacos(found)
  const cacheDir = await mkdtemp(join(tmpdir(), 'sd-bench-'))
  const findings = await compareSource({
    name: 'nacos',
    key: place.dataId,
    open: () => createNacosConfigSource({ servers: [`127.0.0.1:${server.port}`], dataIds: [place.dataId] }),
    async connectBare() {
      const client = new DataClient({ serverAddr: `127.0.0.1:${server.port}`, namespace: '', cacheDir })
      return {
        write: (text) => client.publishSingle(place.dataId, place.group, text),
        async watch(seen) {
          client.subscribe(place, seen)
          return async () => {
            client.unSubscribe(place, seen)
            // The SDK keeps polling after close, and throws an uncaught error if the server stops first. A change ends the poll.
            await client.publishSingle(place.dataId, place.group, 'over')
            await delay(pauseMs)
          }
        },
        close: () => client.close(),
      }
    },
    pace: { changes: 25, pauseMs },
  })
  await server.close()
  await rm(cacheDir, { recursive: true })
  return findings
}
