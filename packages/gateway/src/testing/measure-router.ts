// Time to find the route of a request, by the number of routes, in turn: node src/testing/measure-router.ts
import { Router } from '../routing/router.ts'

const counts = [10, 100, 1_000, 10_000]
const findsPerSlice = 100_000
const rounds = 31

const rawHeaders = ['accept', '*/*', 'user-agent', 'measure', 'x-lane', 'canary', 'host', 'api.example.com']

/** Paths of every kind, for two hosts; each fourth route has a condition too. */
function createRouter(count: number): Router<{ spec: { name: string; match: object } }> {
  const kinds = ['/orders/*', '/orders/{id}', '/health', '/*']
  return new Router(
    Array.from({ length: count }, (_, index) => ({
      spec: {
        name: `route-${index}`,
        match: {
          hosts: index % 3 === 0 ? ['*.example.com'] : ['api.example.com'],
          path: `/s${index}${kinds[index % 4]}`,
          ...(index % 4 === 3 && { headers: { 'x-lane': 'canary' } }),
        },
      },
    })),
  )
}

/** Nanoseconds for one request, in a slice of many. */
function createSlice(count: number): () => number {
  const router = createRouter(count)
  const ends = ['/orders/17?full=1', '/orders/17', '/health']
  const requests = Array.from({ length: 1_024 }, (_, index) => ({
    listener: 'edge',
    method: 'GET',
    host: 'api.example.com',
    path: `/s${index % count}${ends[index % 3]}`,
    protocol: 'http' as const,
    rawHeaders,
  }))
  return () => {
    let found = 0
    const startedAt = process.hrtime.bigint()
    for (let index = 0; index < findsPerSlice; index++) {
      if (router.find(requests[index % requests.length] as (typeof requests)[number])) found++
    }
    if (found === 0) throw new Error(`No request has one of the ${count} routes`)
    return Number(process.hrtime.bigint() - startedAt) / findsPerSlice
  }
}

const slices = counts.map(createSlice)
const times = counts.map((): number[] => [])
for (let round = 0; round < rounds; round++) {
  for (const [index, slice] of slices.entries()) times[index]?.push(slice())
}
for (const [index, count] of counts.entries()) {
  const median = times[index]?.sort((one, other) => one - other)[Math.floor(rounds / 2)] as number
  process.stdout.write(`${count} routes: ${Math.round(median)} ns\n`)
}
