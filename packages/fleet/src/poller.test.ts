import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { SdError } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createFleet, type Fleet, type FleetModel, type FleetOptions, type FleetProcess } from './index.ts'
import { type Answer, startEndpoint } from './testing/admin-endpoint.ts'
import { clusterOf, countsOf, createSnapshotOf } from './testing/snapshots.ts'

const limitMs = 20_000

function openFleet(options: Partial<FleetOptions>): Fleet {
  const registry = createMemoryRegistry()
  const fleet = createFleet({ source: registry, intervalMs: 100, requestTimeoutMs: 5_000, onError: () => undefined, ...options })
  onTestFinished(async () => {
    await fleet.close()
    await registry.close()
  })
  return fleet
}

/** What becomes of a process whose endpoint answers in this way. */
async function askOnce(answer: Answer, options: Partial<FleetOptions> = {}): Promise<FleetProcess> {
  const endpoint = await startEndpoint()
  endpoint.answer = answer
  const fleet = openFleet({ processes: [`127.0.0.1:${endpoint.port}`], ...options })
  const { processes } = await fleet.refresh()
  return processes[0] as FleetProcess
}

function sendText(
  response: ServerResponse,
  text: string | Buffer,
  status: number = 200,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text)
  return true
}

describe('an answer that is not a snapshot', () => {
  const redirected = 'http://127.0.0.1:1/stolen'
  const rows: readonly [string, Answer, string, string][] = [
    ['invalid JSON', (_, response) => sendText(response, '{"info":'), 'refuses', 'SD_MALFORMED'],
    ['another shape', (_, response) => sendText(response, '[]'), 'refuses', 'SD_MALFORMED'],
    ['null', (_, response) => sendText(response, 'null'), 'refuses', 'SD_MALFORMED'],
    [
      'another protocol',
      (_, response) => sendText(response, JSON.stringify({ ...createSnapshotOf(), info: { protocol: 2 } })),
      'refuses',
      'SD_MALFORMED',
    ],
    ['10 MB', (_, response) => sendText(response, Buffer.alloc(10_000_000, ' ')), 'refuses', 'SD_TOO_LARGE'],
    [
      '10 MB in a small gzip',
      (_, response) => sendText(response, gzipSync(Buffer.alloc(10_000_000, ' ')), 200, { 'content-encoding': 'gzip' }),
      'refuses',
      'SD_TOO_LARGE',
    ],
    [
      'a broken gzip',
      (_, response) => sendText(response, 'not gzip', 200, { 'content-encoding': 'gzip' }),
      'silent',
      'SD_UNAVAILABLE',
    ],
    ['a redirect', (_, response) => sendText(response, '', 302, { location: redirected }), 'refuses', 'SD_MALFORMED'],
    [
      '401',
      (_, response) => sendText(response, '{"error":{"message":"This endpoint needs\\n valid credentials"}}', 401),
      'refuses',
      'SD_DENIED',
    ],
    ['404', (_, response) => sendText(response, '<h1>', 404), 'refuses', 'SD_NOT_FOUND'],
    ['500 with 1 MB', (_, response) => sendText(response, Buffer.alloc(1_000_000, 'x'), 500), 'refuses', 'SD_TOO_LARGE'],
    ['503', (_, response) => sendText(response, '', 503), 'refuses', 'SD_HTTP_STATUS'],
    [
      'an end in the middle',
      (_, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{')
        setTimeout(() => response.destroy(), 20)
        return true
      },
      'silent',
      'SD_UNAVAILABLE',
    ],
  ]

  test.each(rows)('%s', async (_, answer, state, code) => {
    const process = await askOnce(answer)
    expect(process).toMatchObject({ state, lastError: { code } })
    expect(process.lastError?.message).not.toMatch(/[\n<]/)
  })

  const slow: readonly [string, Answer][] = [
    ['no response', () => true],
    [
      'a slow drip',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => response.write(' '), 20)
        response.once('close', () => clearInterval(timer))
        return true
      },
    ],
  ]

  test.each(slow)('%s ends at the time limit', async (_, answer) => {
    expect(await askOnce(answer, { requestTimeoutMs: 200 })).toMatchObject({ state: 'silent', lastError: { code: 'SD_TIMEOUT' } })
  })

  test('no server, and one that speaks something else', async () => {
    const tcp = await startTcp()
    const closed = await startEndpoint()
    await closed.stop()
    const fleet = openFleet({ processes: [`127.0.0.1:${tcp}`, `127.0.0.1:${closed.port}`] })
    const { processes } = await fleet.refresh()
    expect(processes.map(({ state, lastError }) => [state, lastError?.code])).toEqual([
      ['silent', 'SD_UNAVAILABLE'],
      ['silent', 'SD_UNAVAILABLE'],
    ])
  })
})

async function startTcp(): Promise<number> {
  const server: Server = createTcpServer((socket) => {
    socket.on('error', () => undefined).resume()
    socket.end('+PONG\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())))
  return (server.address() as AddressInfo).port
}

test('what an endpoint answered before is kept while it does not answer', async () => {
  const endpoint = await startEndpoint({ states: [clusterOf('stock', 2)] })
  const fleet = openFleet({ processes: [`127.0.0.1:${endpoint.port}`] })
  await fleet.refresh()
  endpoint.answer = (_, response) => sendText(response, '', 503)
  const { processes, changes } = await fleet.refresh()
  expect(processes).toMatchObject([{ state: 'refuses', name: 'orders', states: [{ kind: 'cluster' }] }])
  expect(changes[0]?.text).toBe('Process orders gives no snapshot')
  endpoint.answer = undefined
  expect((await fleet.refresh()).processes).toMatchObject([{ state: 'answers', lastError: undefined }])
})

test('an endpoint that does not answer is asked less often', async () => {
  const endpoint = await startEndpoint()
  endpoint.answer = (_, response) => sendText(response, '', 503)
  const fleet = openFleet({ processes: [`127.0.0.1:${endpoint.port}`], intervalMs: 60_000 })
  for (let round = 0; round < 8; round++) await fleet.refresh()
  expect(endpoint.requests).toHaveLength(2)
})

test('an unchanged snapshot costs no body', async () => {
  const endpoint = await startEndpoint({ edges: [countsOf('stock', 5)] })
  const tags: (string | undefined)[] = []
  endpoint.answer = (request, response) => {
    tags.push(request.headers['if-none-match'])
    return request.headers['if-none-match'] === '"1"'
      ? sendText(response, '', 304)
      : sendText(response, JSON.stringify(createSnapshotOf(endpoint.parts)), 200, { etag: '"1"' })
  }
  const fleet = openFleet({ processes: [`127.0.0.1:${endpoint.port}`] })
  await fleet.refresh()
  const { processes } = await fleet.refresh()
  expect(tags).toEqual([undefined, '"1"'])
  expect(processes).toMatchObject([{ state: 'answers', name: 'orders' }])
})

test('unknown fields and kinds of a newer version are ignored', async () => {
  const newer = { ...createSnapshotOf({ states: [{ kind: 'quota' } as never, clusterOf('stock', 1)] }), novelty: { deep: [1] } }
  const process = await askOnce((_, response) => sendText(response, JSON.stringify(newer)))
  expect(process).toMatchObject({ state: 'answers', states: [{ kind: 'cluster' }] })
  expect(JSON.stringify(process)).not.toContain('novelty')
})

test('names and texts of a hostile process are bounded, and stay what they are: data', async () => {
  const nasty = {
    info: {
      name: '<img src=x onerror=alert(1)>',
      host: '\u001b[31m\u202ehost',
      processId: '__proto__',
      packages: { constructor: ['1'], __proto__: ['2'] } as never,
    },
    edges: [
      countsOf('__proto__', 5),
      countsOf('toString', 5, 4, { failed: { constructor: 2 } }),
      countsOf('x'.repeat(300), 1),
      countsOf('a\u0000b', 1),
    ],
    since: Date.now() - 1_000,
    states: Array.from({ length: 12_000 }, () => clusterOf('stock', 1)),
  }
  const endpoint = await startEndpoint(nasty)
  const fleet = openFleet({ processes: [`127.0.0.1:${endpoint.port}`] })
  const { processes, edges, problems } = await fleet.refresh()
  expect(processes).toMatchObject([{ state: 'refuses', lastError: { code: 'SD_TOO_LARGE' } }])
  endpoint.parts = { ...nasty, states: nasty.states.slice(0, 2_000) }
  const second = await fleet.refresh()
  expect(second.processes).toMatchObject([{ state: 'answers', name: '<img src=x onerror=alert(1)>', host: ' [31m\u202ehost' }])
  expect(second.edges.map(({ to, traffic }) => [to, traffic.total, traffic.failed])).toEqual([
    ['__proto__', 5, {}],
    ['toString', 5, { constructor: 2 }],
  ])
  expect([...edges, ...problems].length).toBeLessThan(10)
  expect(structuredClone(second)).toEqual(second)
})

describe('addresses that may be asked', () => {
  const registerAt = async (address: string, port: number, options: Partial<FleetOptions> = {}) => {
    const registry = createMemoryRegistry()
    onTestFinished(() => registry.close())
    await registry.register({ service: 'orders', id: 'orders-0', address, port: 80, ports: { 'sd-admin': port } })
    const fleet = openFleet({ source: registry, requestTimeoutMs: 500, ...options })
    return (await fleet.refresh()).processes[0]
  }

  test.each(['169.254.169.254', '8.8.8.8', '::ffff:169.254.169.254', 'fe80::1', '0.0.0.0'])(
    '%s is not asked by default',
    async (address) => {
      expect(await registerAt(address, 80)).toMatchObject({
        state: 'refuses',
        lastError: { code: 'SD_DENIED', message: expect.stringContaining('allowedNetworks') },
      })
    },
  )

  test('a name is judged by the address that it resolves to', async () => {
    const { port } = await startEndpoint()
    expect(await registerAt('localhost', port)).toMatchObject({ state: 'answers' })
    expect(await registerAt('localhost', port, { allowedNetworks: ['10.0.0.0/8'] })).toMatchObject({ state: 'refuses' })
    expect(await registerAt('host.invalid', port)).toMatchObject({ state: 'silent', lastError: { code: 'SD_UNAVAILABLE' } })
  })

  test('the token goes to the endpoint of its service, and not over plain HTTP to a public address', async () => {
    const endpoint = await startEndpoint()
    const services: (string | undefined)[] = []
    const token = (service: string | undefined): string => {
      services.push(service)
      return 'secret-of-the-fleet'
    }
    await registerAt('127.0.0.1', endpoint.port, { token })
    expect([endpoint.authorization, services]).toEqual(['Bearer secret-of-the-fleet', ['orders']])
    const refused = await registerAt('192.0.2.1', 80, { token, allowedNetworks: ['192.0.2.0/24'] })
    expect(refused).toMatchObject({
      state: 'refuses',
      lastError: { code: 'SD_DENIED', message: expect.stringContaining('allowInsecure') },
    })
    expect(JSON.stringify(refused)).not.toContain('secret-of')
  })

  test('a token that fails, or that no header field can contain, shows nothing of itself', async () => {
    const { port } = await startEndpoint()
    const failing = await registerAt('127.0.0.1', port, { token: () => Promise.reject(new Error('vault says hunter2')) })
    const invalid = await registerAt('127.0.0.1', port, { token: () => 'hunter2\r\nx: y' })
    for (const process of [failing, invalid]) {
      expect(process).toMatchObject({ state: 'refuses', lastError: { code: 'SD_DENIED', message: 'The option token failed' } })
    }
    expect(JSON.stringify(invalid)).not.toContain('hunter2')
    expect(JSON.stringify(failing)).not.toContain('hunter2')
    const errors: SdError[] = []
    await registerAt('127.0.0.1', port, {
      token: () => Promise.reject(new Error('vault')),
      onError: (error) => void errors.push(error),
    })
    expect(errors).toMatchObject([{ code: 'SD_DENIED', cause: { message: 'vault' } }])
  })
})

test('hundreds of processes are polled with at most 32 requests at once, and those beyond the limit are counted', async () => {
  const registry = createMemoryRegistry()
  onTestFinished(() => registry.close())
  let open = 0
  let most = 0
  const server = createServer((request, response) => {
    open++
    most = Math.max(most, open)
    response.once('close', () => open--)
    const host = request.headers.host ?? ''
    sendText(response, JSON.stringify(createSnapshotOf({ info: { processId: host, name: host, startedAt: 1 } })))
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  onTestFinished(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const { port } = server.address() as AddressInfo
  // All of 127.0.0.0/8 is this machine.
  await Promise.all(
    Array.from({ length: 650 }, (_, index) =>
      registry.register({
        service: `service-${index % 300}`,
        id: `i${index}`,
        address: `127.1.${index >> 8}.${index & 255}`,
        port: 80,
        ports: { 'sd-admin': port },
      }),
    ),
  )
  const fleet = openFleet({ source: registry, requestTimeoutMs: 20_000, intervalMs: 2_000, maxProcesses: 600 })
  const model = await fleet.refresh()
  expect(model.processes.filter(({ state }) => state === 'answers')).toHaveLength(600)
  expect(model.omitted.processes).toBe(50)
  expect(most).toBeLessThanOrEqual(32)
  const connections = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
  expect(connections).toBeLessThanOrEqual(512 + 32)
})

test('processes that hang do not keep the others from the model', async () => {
  const hanging = await Promise.all(Array.from({ length: 6 }, () => startEndpoint()))
  for (const endpoint of hanging) endpoint.answer = () => true
  const good = await startEndpoint({ info: { processId: 'good' } })
  const fleet = openFleet({
    processes: [...hanging, good].map(({ port }) => `127.0.0.1:${port}`),
    concurrency: 2,
    requestTimeoutMs: 300,
  })
  const watch = fleet.watch()[Symbol.asyncIterator]()
  let answered: readonly string[] = []
  while (!answered.includes('good')) {
    const { value } = await watch.next()
    answered = (value as FleetModel).processes.filter(({ state }) => state === 'answers').map(({ processId }) => processId)
  }
  await eventually(() => expect(good.requests.length).toBeGreaterThan(5), limitMs)
  // Each of the others was asked less often.
  for (const endpoint of hanging) expect(endpoint.requests.length).toBeLessThan(good.requests.length)
})
