import { createConfig } from '@sd/config'
import { createEtcdConfigSource } from '@sd/config-etcd'
import type { ConfigSource } from '@sd/core'
import { findServer, startEtcd } from '@sd/test-servers'
import { Etcd3 } from 'etcd3'
import { z } from 'zod'
import { compareMedian, compareTail, compareWithBare, type PropagationTimes, type Watch } from '../propagation.ts'
import type { Finding } from '../report.ts'
import { type SourceSubject, withSource } from './sources.ts'

const schema = z.object({
  name: z.string(),
  db: z.object({ url: z.string(), pool: z.object({ size: z.number().int(), idleMs: z.number() }) }),
})

/** Compares etcd with the watcher of etcd3, also with a configuration on top of the source. */
export async function benchEtcd(): Promise<readonly Finding[]> {
  const found = await findServer('etcd', { own: true })
  if (!found) return []
  const server = await startEtcd(found)
  const subject: SourceSubject = {
    name: 'etcd',
    key: 'orders.json',
    open: () => createEtcdConfigSource({ servers: [`127.0.0.1:${server.port}`], prefix: '/bench' }),
    async connectBare() {
      const client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
      return {
        write: (text) => client.put('/bench/orders.json').value(text).exec(),
        async watch(seen) {
          const watcher = await client.watch().prefix('/bench/').create()
          watcher.on('put', ({ value }) => seen(value.toString()))
          return () => watcher.cancel()
        },
        close: () => client.close(),
      }
    },
  }
  const findings = await withSource(subject, async (run) => [
    ...compareWithBare('etcd', await run()),
    ...describeConfig(0, await run(watchConfig(0))),
    ...describeConfig(50, await run(watchConfig(50))),
  ])
  await server.close()
  return findings
}

function watchConfig(coalesceMs: number): (source: ConfigSource) => Watch {
  return (source) => async (seen) => {
    const config = await createConfig({ sources: [source], schema, coalesceMs })
    config.onChange('name', ({ value }) => seen(value))
    return () => config.close()
  }
}

function describeConfig(coalesceMs: number, times: PropagationTimes): readonly Finding[] {
  const subject = `etcd through createConfig with a schema, coalesceMs ${coalesceMs}`
  return [
    { subject: `${subject}: P50, our listener / bare library`, measured: compareMedian(times).text },
    { subject: `${subject}: P99, our listener / bare library`, measured: compareTail(times).text },
  ]
}
