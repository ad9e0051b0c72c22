import type { ServiceClient as Client } from '@sd/client'
import { bind, ServiceCall, ServiceClient, sent } from '@sd/decorators'
import { createBenchClient } from '../client/callers.ts'
import { type Contender, measurePaired } from '../paired.ts'
import { perRequest } from '../per-request.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import { startSliceProcess } from '../slice-process.ts'

const rounds = 61
const callsPerSlice = 50_000

/** Measures a decorated call against the same call on the client, both in this process. */
export async function benchDecorated(): Promise<readonly Finding[]> {
  const server = await startSliceProcess(new URL('../server.ts', import.meta.url), 3)
  const { client, close } = await createBenchClient(server.greeting as readonly number[])
  try {
    const orders = bind(createOrders(), { client })
    const id = '1'
    const contenders: readonly Contender[] = [
      perRequest('client.get', async () => (await client.get('orders', `/orders/${id}`)).ensureOk().text()),
      perRequest('@ServiceCall', () => orders.find(id)),
    ]
    const [direct, decorated] = await measurePaired(contenders, rounds)
    if (!direct || !decorated) throw new Error('Nothing was measured')
    return [
      {
        subject: 'CPU of a decorated call, against the same call on the client',
        measured: `${formatRatio(decorated)}, ${decorated.cost.toFixed(1)} µs against ${direct.cost.toFixed(1)}`,
        ...judgeRatio(decorated, 1.02),
      },
      await benchOwnWork(),
    ]
  } finally {
    await close()
    server.close()
  }
}

/** Measures what the decorator adds, without the noise of a network: over a client whose requests do nothing. */
async function benchOwnWork(): Promise<Finding> {
  const response = { ensureOk: () => response, text: async () => 'order-1' }
  const client = { request: async (_service: string, _path: string, _options: object) => response }
  const orders = bind(createOrders(), { client: client as unknown as Client })
  const id = '1'
  const timed = (name: string, call: () => Promise<string>): Contender => ({
    name,
    async slice() {
      const before = process.cpuUsage()
      for (let index = 0; index < callsPerSlice; index++) await call()
      const { user, system } = process.cpuUsage(before)
      return (user + system) / callsPerSlice
    },
  })
  const [direct, decorated] = await measurePaired(
    [
      timed('direct', async () => (await client.request('orders', `/orders/${id}`, { method: 'GET' })).ensureOk().text()),
      timed('decorated', () => orders.find(id)),
    ],
    rounds,
  )
  const microseconds = (decorated?.cost ?? Number.NaN) - (direct?.cost ?? Number.NaN)
  return {
    subject: 'CPU that the decorator adds to a call, over a client that does nothing',
    measured: `${microseconds.toFixed(2)} µs`,
  }
}

interface Orders {
  find(id: string): Promise<string>
}

/** What a compiler makes of `@ServiceClient('orders') class { @ServiceCall('GET /orders/{id}', { response: 'text' }) find(id) … }`. */
function createOrders(): Orders {
  class OrdersClient implements Orders {
    find(_id: string): Promise<string> {
      return sent()
    }
  }
  const decorate = ServiceCall('GET /orders/{id}', { response: 'text' }) as LegacyDecorator
  const { prototype } = OrdersClient
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'find') as PropertyDescriptor
  Object.defineProperty(prototype, 'find', decorate(prototype, 'find', descriptor) ?? descriptor)
  ;(ServiceClient('orders') as (target: object) => void)(OrdersClient)
  return new OrdersClient()
}

type LegacyDecorator = (target: object, name: string, descriptor: PropertyDescriptor) => PropertyDescriptor | undefined
