import { createTRPCClient, httpBatchLink, httpBatchStreamLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { abortIn, type Services, serveStock } from './testing/services.ts'

const { router: createRouter, procedure } = initTRPC.create()
const router = createRouter({
  pieces: procedure.input(z.object({ id: z.number() })).query(({ input }) => input.id),
  reserve: procedure.input(z.object({ id: z.number() })).mutation(({ input }) => input.id),
  count: procedure.input(z.number()).query(async function* ({ input }) {
    for (let number = 1; number <= input; number++) yield number
  }),
})

interface Started extends Services {
  readonly fetch: (input: unknown, init?: unknown) => Promise<Response>
}

async function start(options = {}): Promise<Started> {
  const services = await serveStock(createHTTPHandler({ router, basePath: '/trpc/' }), options)
  // The types of tRPC do not fit those of any fetch with exactOptionalPropertyTypes.
  return { ...services, fetch: services.client.fetch as Started['fetch'] }
}

const url = 'http://stock/trpc'

test('queries are repeated, mutations are not, unless they have an idempotency key', async () => {
  const { fetch, failNext, requests } = await start()
  const api = createTRPCClient<typeof router>({ links: [httpBatchLink({ url, fetch })] })
  failNext(1)
  expect(await api.pieces.query({ id: 7 })).toBe(7)
  failNext(1)
  await expect(api.reserve.mutate({ id: 7 })).rejects.toMatchObject({ name: 'TRPCClientError' })
  const headers = (): Record<string, string> => ({ 'idempotency-key': 'k1' })
  const keyed = createTRPCClient<typeof router>({ links: [httpBatchLink({ url, fetch, headers })] })
  failNext(1)
  expect(await keyed.reserve.mutate({ id: 7 })).toBe(7)
  expect(requests).toEqual(['GET /trpc/pieces', 'GET /trpc/pieces', ...Array.from({ length: 3 }, () => 'POST /trpc/reserve')])
})

test('results that come one by one are read as they come', async () => {
  const { fetch } = await start()
  const api = createTRPCClient<typeof router>({ links: [httpBatchStreamLink({ url, fetch })] })
  const numbers: number[] = []
  for await (const number of await api.count.query(3)) numbers.push(number)
  expect(numbers).toEqual([1, 2, 3])
})

test('the time limit of the service, and a signal, reject; the SdError is a cause', async () => {
  const { fetch, hangNext } = await start({ timeoutMs: 200 })
  const api = createTRPCClient<typeof router>({ links: [httpBatchLink({ url, fetch })] })
  hangNext(2)
  await expect(api.pieces.query({ id: 7 })).rejects.toMatchObject({
    name: 'TRPCClientError',
    cause: { name: 'TimeoutError', cause: { code: 'SD_DEADLINE_EXCEEDED' } },
  })
  await expect(api.pieces.query({ id: 7 }, { signal: abortIn(20) })).rejects.toMatchObject({ cause: { name: 'AbortError' } })
})
