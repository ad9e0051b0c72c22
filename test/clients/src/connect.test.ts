import { Code, createClient } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { createConnectTransport } from '@connectrpc/connect-web'
import { expect, test } from 'vitest'
import { abortIn, type Services, serveStock } from './testing/services.ts'
import { Stock } from './testing/stock-service.ts'

interface Value {
  readonly number: number
}

interface Api {
  find(value: Value, options?: object): Promise<Value>
  reserve(value: Value, options?: object): Promise<Value>
  count(value: Value, options?: object): AsyncIterable<Value>
}

async function start(options = {}): Promise<Services & { readonly api: Api }> {
  const handler = connectNodeAdapter({
    routes(router) {
      router.service(Stock, {
        find: ({ number }: Value) => ({ number }),
        reserve: ({ number }: Value) => ({ number }),
        async *count({ number }: Value) {
          for (let index = 1; index <= number; index++) yield { number: index }
        },
      } as never)
    },
  })
  const services = await serveStock(handler, options)
  const transport = createConnectTransport({ baseUrl: 'http://stock', fetch: services.client.fetch, useHttpGet: true })
  return { ...services, api: createClient(Stock, transport) as unknown as Api }
}

test('methods without side effects are repeated, others are not, unless they have an idempotency key', async () => {
  const { api, failNext, requests } = await start()
  failNext(1)
  expect((await api.find({ number: 7 })).number).toBe(7)
  failNext(1)
  await expect(api.reserve({ number: 7 })).rejects.toMatchObject({ name: 'ConnectError', code: Code.Unavailable })
  failNext(1)
  expect((await api.reserve({ number: 7 }, { headers: { 'idempotency-key': 'k1' } })).number).toBe(7)
  expect(requests).toEqual(
    ['GET', 'GET', 'POST', 'POST', 'POST'].map((method, index) => `${method} /shop.Stock/${index < 2 ? 'Find' : 'Reserve'}`),
  )
})

test('a stream of the server is read as it comes', async () => {
  const { api } = await start()
  const numbers: number[] = []
  for await (const { number } of api.count({ number: 3 })) numbers.push(number)
  expect(numbers).toEqual([1, 2, 3])
})

test('the time limit of the service, that of Connect, and a signal, reject with a ConnectError', async () => {
  const { api, hangNext } = await start({ timeoutMs: 200 })
  hangNext(3)
  // Connect takes the TimeoutError of a fetch for a cancelation, and keeps its message only.
  await expect(api.find({ number: 7 })).rejects.toMatchObject({
    code: Code.Canceled,
    rawMessage: expect.stringContaining('200 ms'),
  })
  await expect(api.find({ number: 7 }, { timeoutMs: 20 })).rejects.toMatchObject({ code: Code.DeadlineExceeded })
  await expect(api.find({ number: 7 }, { signal: abortIn(20) })).rejects.toMatchObject({ code: Code.Canceled })
})
