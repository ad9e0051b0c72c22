import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient, type Transport } from '@sd/client'
import type { Endpoint } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { startConstantLoad } from '@sd/test-servers'
import { obtainServers, type RegistryKind, type RunningRegistry, registries } from './registries.ts'
import { callByHttp1, type Service, startService } from './shop.ts'
import type { Suite } from './suite.ts'

const perSecond = 1_000
const rounds = 5

/** Instances join, leave and are killed at 1,000 requests per second, on every registry: no request may fail. */
export const membership: Suite = {
  name: 'membership',
  needs: [],
  async run() {
    const problems: string[] = []
    for (const kind of registries) {
      const sources = await obtainServers(kind)
      if (!sources) {
        console.log(`  ${kind.name}: skipped, there is no server; pnpm test:servers ${kind.needs.join(' ')} builds it`)
        continue
      }
      const running = await kind.start(sources)
      try {
        problems.push(...(await changeMembers(kind, running)))
      } finally {
        await running.close()
      }
    }
    return problems
  },
}

/** Instances have addresses that every registry accepts, but the servers are on loopback. */
function onLoopback(transport: Transport): Transport {
  return {
    ...transport,
    send({ instance }, request, handler) {
      return transport.send({ instance, origin: `http://127.0.0.1:${instance.port}` } as Endpoint, request, handler)
    },
  }
}

interface Member {
  readonly service: Service
  leave(): Promise<unknown>
}

async function changeMembers({ name, settleMs }: RegistryKind, registry: RunningRegistry): Promise<readonly string[]> {
  const discovery = createDiscovery({ source: registry.source })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    transport: onLoopback(createHttp1Transport()),
  })
  const join = async (): Promise<Member> => {
    const service = await startService('orders')
    return { service, leave: await registry.join(service.port) }
  }
  const members = [await join(), await join(), await join()]
  const gateway = await createGateway({
    client,
    discovery,
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
      routes: [{ name: 'orders', forward: { service: 'orders' } }],
    },
  })
  const caller = callByHttp1(gateway.addresses[0]?.port ?? 0)
  const load = startConstantLoad(perSecond, () => caller.get('/'))
  for (let round = 0; round < rounds; round++) {
    members.push(await join(), await join())
    await delay(settleMs / 2)
    const [killed, leaving] = members.splice(0, 2) as [Member, Member]
    killed.service.kill()
    await leaving.leave()
    await delay(settleMs)
    leaving.service.kill()
    await killed.leave()
  }
  await load.stop()
  caller.close()
  await gateway.close()
  await client.close()
  await discovery.close()
  for (const { service, leave } of members) {
    service.kill()
    await leave()
  }
  console.log(`  ${name}: ${rounds * 4} changes, ${load.calls} requests, ${load.failures.length} failed`)
  return load.failures.length === 0
    ? []
    : [`${name}: ${load.failures.length} requests failed, the first with ${load.failures[0]}`]
}
