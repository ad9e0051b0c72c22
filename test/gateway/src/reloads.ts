import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type Gateway, type GatewayTable } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import { startConstantLoad } from '@sd/test-servers'
import { callByHttp1, callByHttp2, startService } from './shop.ts'
import type { Suite } from './suite.ts'

const underLoad = 1_000
const perSecond = 500
const forMemory = 10_000
/** What caches and statistics may add, in bytes. One table that stays in memory per change would be many times that. */
const allowedGrowth = 2 * 2 ** 20

/** 1,000 tables under load without a failed request, and 10,000 tables that leave no memory. */
export const reloads: Suite = {
  name: 'reloads',
  needs: [],
  async run() {
    const services = await Promise.all(['orders', 'carts'].map(startService))
    const instances = services.map(({ port }, index) => ({
      service: index === 0 ? 'orders' : 'carts',
      address: '127.0.0.1',
      port,
    }))
    const discovery = createDiscovery({ source: createStaticRegistry({ instances }) })
    const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport() })
    const gateway = await createGateway({ client, discovery, table: tableOf(0) })
    try {
      return [...(await reloadUnderLoad(gateway)), ...(await measureMemory(gateway))]
    } finally {
      await gateway.close()
      await client.close()
      await discovery.close()
      for (const service of services) service.kill()
    }
  },
}

/** Every table sends `/shop` elsewhere, every fifth changes the listener, every seventh has one more. */
function tableOf(round: number): GatewayTable {
  const limits = { pathLength: 8_000 + Math.floor(round / 5) }
  return {
    listeners: [
      { name: 'edge', address: '127.0.0.1:0', limits },
      ...(round % 7 === 0 ? [{ name: 'extra', address: '127.0.0.1:0' }] : []),
    ],
    routes: [
      { name: 'shop', match: { path: '/shop' }, forward: { service: round % 2 === 0 ? 'orders' : 'carts' } },
      ...Array.from({ length: 20 }, (_, index) => ({
        name: `route-${index}`,
        match: { path: `/${round}/${index}/*` },
        respond: { status: 200, body: 'direct' },
      })),
    ],
  }
}

async function reloadUnderLoad(gateway: Gateway): Promise<readonly string[]> {
  const port = gateway.addresses[0]?.port ?? 0
  const callers = [callByHttp1(port), callByHttp2(port)]
  const load = startConstantLoad(perSecond, async (index) => {
    const body = await callers[index % 2]?.get('/shop')
    if (body !== 'orders' && body !== 'carts') throw new Error(`The body is ${body}`)
  })
  for (let round = 1; round <= underLoad; round++) {
    await gateway.configure(tableOf(round))
    await delay(20)
  }
  await load.stop()
  for (const caller of callers) caller.close()
  console.log(`  ${underLoad} tables, ${load.calls} requests, ${load.failures.length} failed`)
  return load.failures.length === 0 ? [] : [`${load.failures.length} requests failed, the first with ${load.failures[0]}`]
}

async function measureMemory(gateway: Gateway): Promise<readonly string[]> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heapAfter = async (from: number, to: number): Promise<number> => {
    for (let round = from; round < to; round++) await gateway.configure(tableOf(round))
    await delay(500)
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = await heapAfter(0, forMemory / 10)
  const after = await heapAfter(forMemory / 10, forMemory)
  console.log(`  heap after ${forMemory / 10} and ${forMemory} tables: ${inMebibytes(before)} and ${inMebibytes(after)} MiB`)
  return after - before < allowedGrowth ? [] : [`The heap grew by ${inMebibytes(after - before)} MiB`]
}

function inMebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
