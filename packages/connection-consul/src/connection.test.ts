import { inspect } from 'node:util'
import { type SdError, untilAborted } from '@sd/core'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type ConsulConnection,
  type ConsulConnectionOptions,
  checkPrefix,
  createConsulConnection,
  followQuery,
  ping,
  type Query,
  queryOnce,
  resolveConsulConnectionOptions,
  unlessMissing,
} from './index.ts'
import { type FakeAgent, type FakeResponse, startFakeAgent } from './testing/fake-agent.ts'

const open: { close(): void | Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(answer: Parameters<typeof startFakeAgent>[0]): Promise<FakeAgent> {
  const agent = await startFakeAgent(answer)
  open.push(agent)
  return agent
}

function connect(options: ConsulConnectionOptions): ConsulConnection {
  const connection = createConsulConnection(resolveConsulConnectionOptions({ operationTimeoutMs: 1_500, ...options }, 'consul'))
  open.push(connection)
  return connection
}

const query: Query = ({ client }, options) => client.health.service({ ...options, service: 'orders' })
const leader: FakeResponse = { body: '127.0.0.1:8300' }
const never = new AbortController().signal
const isWaiting = (path: string): boolean => path.includes('index=')

async function failure(promise: Promise<unknown>): Promise<SdError> {
  return promise.then(
    () => expect.unreachable('it should fail'),
    (error: unknown) => error as SdError,
  )
}

describe('errors of responses', () => {
  test.each([
    [400, 'Invalid check', 'SD_INVALID', false],
    [403, 'Permission denied', 'SD_DENIED', false],
    [403, 'ACL not found', 'SD_DENIED', false],
    [404, 'Unknown check ID', 'SD_NOT_FOUND', false],
    [409, { Errors: [{ What: 'current modify index is 7' }] }, 'SD_CONFLICT', false],
    [409, { Errors: [{ What: 'Permission denied' }] }, 'SD_DENIED', false],
    [413, 'too much', 'SD_TOO_LARGE', false],
    [429, 'too many', 'SD_UNAVAILABLE', true],
    [500, 'No cluster leader', 'SD_UNAVAILABLE', true],
    [503, 'shutting down', 'SD_UNAVAILABLE', true],
    [500, 'write /consul/data/raft.db: permission denied', 'SD_UNAVAILABLE', true],
    [500, 'write /consul/data/raft.db: no space left on device', 'SD_UNAVAILABLE', true],
  ])('%i %j is %s', async (status, body, code, retryable) => {
    const { endpoint } = await start(() => ({ status, body }))
    const error = await failure(queryOnce(connect({ servers: [endpoint] }), query))
    expect(error).toMatchObject({ code, retryable })
  })

  test('a missing object is undefined if the caller wants that', async () => {
    const { endpoint } = await start((path) => (path.includes('gone') ? { status: 404 } : { status: 500 }))
    const connection = connect({ servers: [endpoint] })
    const get = (path: string): Promise<unknown> =>
      connection.run(({ client, headers, options: { ctx } }) => unlessMissing(client._get({ path, headers, ctx }), 'consul'))
    expect(await get('/gone')).toBeUndefined()
    await expect(get('/broken')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test.each(['', '0', '-1', 'x'])('the index "%s" is invalid', async (index) => {
    const { endpoint } = await start(() => ({ index, body: [] }))
    await expect(queryOnce(connect({ servers: [endpoint] }), query)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('a cluster without a leader is unavailable', async () => {
    const { endpoint } = await start(() => ({ body: '' }))
    await expect(connect({ servers: [endpoint] }).run(ping)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('a body that ends too early is noticed at once, and one that is not JSON is an error', async () => {
    const { endpoint } = await start((path) =>
      path.includes('leader') ? { body: 'x', cut: true } : { index: 1, body: 'x', status: 200 },
    )
    const connection = connect({ servers: [endpoint], operationTimeoutMs: 10_000 })
    const error = await failure(connection.run(ping))
    expect(error).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    expect((await queryOnce(connection, query)).body).toBe('x')
  })
})

describe('following a query', () => {
  test('waits for newer data, and reads again when the index goes backwards', async () => {
    const answers: FakeResponse[] = [5, 7, 3, 2].map((index) => ({ index, body: [index] }))
    const agent = await start((path) => (path.includes('leader') ? leader : answers.shift()))
    const connection = connect({ servers: [agent.endpoint], waitMs: 1_000 })
    const controller = new AbortController()
    const found: unknown[] = []
    const following = followQuery(connection, query, {
      signal: controller.signal,
      onFound: ({ body }) => {
        found.push(body)
        if (found.length === 3) controller.abort()
      },
    })
    await following
    expect(found).toEqual([[5], [7], [2]])
    const paths = agent.requests
      .filter((path) => path.startsWith('/health'))
      .map((path) => path.replace('/health/service/orders', ''))
    expect(paths).toEqual(['?consistent=1', '?index=5&wait=1000ms', '?index=7&wait=1000ms', '?consistent=1'])
  })

  test('ends after more silence than the wait', async () => {
    const agent = await start((path) => (isWaiting(path) ? undefined : path.includes('leader') ? leader : { index: 1, body: [] }))
    const connection = connect({ servers: [agent.endpoint], waitMs: 100 })
    const error = await failure(followQuery(connection, query, { signal: never, onFound: () => undefined }))
    expect(error).toMatchObject({ code: 'SD_TIMEOUT', retryable: true })
  })

  test('ends when the agent does not respond to other requests', async () => {
    const agent = await start((path) => (isWaiting(path) || path.includes('leader') ? undefined : { index: 1, body: [] }))
    const connection = connect({ servers: [agent.endpoint] })
    const error = await failure(followQuery(connection, query, { signal: never, onFound: () => undefined }))
    expect(error).toMatchObject({ code: 'SD_TIMEOUT', retryable: true })
    expect(error.message).toContain('request to consul')
  })

  test('ends with its signal, and with the connection', async () => {
    const agent = await start((path) => (isWaiting(path) ? undefined : path.includes('leader') ? leader : { index: 1, body: [] }))
    const connection = connect({ servers: [agent.endpoint] })
    const controller = new AbortController()
    const aborted = followQuery(connection, query, { signal: controller.signal, onFound: () => undefined })
    const closed = followQuery(connection, query, { signal: never, onFound: () => undefined })
    const errors = Promise.all([failure(aborted), failure(closed)])
    await vi.waitFor(() => expect(agent.requests.filter(isWaiting)).toHaveLength(2))
    controller.abort()
    connection.close()
    await errors
    await expect(connection.run(ping)).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await expect(connection.block((target) => query(target, target.options), never)).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await vi.waitFor(() => expect(agent.sockets.size).toBe(0))
  })

  test('takes turns if there are more queries than connections', async () => {
    const agent = await start((path) => (path.includes('leader') ? leader : { index: 2, body: [] }))
    const connection = connect({ servers: [agent.endpoint], maxWatchConnections: 1, waitMs: 60_000 })
    await Promise.all(
      [1, 2, 3].map(async () => {
        let count = 0
        const controller = new AbortController()
        const onFound = (): void => void (++count === 3 && controller.abort())
        await followQuery(connection, query, { signal: controller.signal, onFound })
      }),
    )
    expect(agent.requests.some((path) => path.endsWith('wait=5000ms'))).toBe(true)
  })
})

describe('an agent that hangs', () => {
  const limits = { maxConnections: 3, operationTimeoutMs: 1_000 }

  test('gets no more connections than the limit, and a heartbeat does not wait for other requests', async () => {
    let isHung = true
    const held: (() => void)[] = []
    const agent = await start((path, request) => {
      if (!isHung || path.includes('leader')) return leader
      held.push(() => request.socket.destroy())
      return undefined
    })
    const connection = connect({ servers: [agent.endpoint], ...limits })
    const get: Query = ({ client }, options) => client.kv.get({ ...options, key: 'a' })
    await Promise.all(Array.from({ length: 20 }, () => failure(queryOnce(connection, get))))
    await failure(queryOnce(connection, get))
    // The three of the limit, and one scout.
    expect(agent.sockets.size).toBeLessThanOrEqual(4)
    // In the same queue it would fail at its limit, as the others do.
    await connection.run(ping, undefined, { urgent: true })
    isHung = false
    for (const end of held) end()
    await vi.waitFor(() => connection.run(ping), { timeout: 3_000, interval: 100 })
  })

  test('with hanging connections is tried by a scout, which frees them one after the other', async () => {
    let isHung = true
    const agent = await start(() => (isHung ? undefined : leader))
    const connection = connect({ servers: [agent.endpoint], ...limits })
    await Promise.all(Array.from({ length: 5 }, () => failure(connection.run(ping))))
    isHung = false
    await vi.waitFor(() => connection.run(ping), { timeout: 3_000, interval: 100 })
    await connection.run(ping)
    expect(agent.requests.length).toBeLessThan(20)
  })

  test('of several is skipped', async () => {
    const [hung, healthy] = [await start(() => undefined), await start(() => leader)]
    const connection = connect({ servers: [hung.endpoint, healthy.endpoint], ...limits, operationTimeoutMs: 2_000 })
    await connection.run(ping)
    await Promise.all(Array.from({ length: 10 }, () => connection.run(ping)))
    expect(hung.requests).toHaveLength(1)
  })
})

describe('an overloaded agent', () => {
  test.each([
    ['429 without more', undefined, 0],
    ['429 with Retry-After', '5', 3_000],
    ['429 with an absurd Retry-After', '86400', 20_000],
  ])('%s gets no requests for a while, except heartbeats', async (_, retryAfter, atLeastMs) => {
    // A pause of less than a second is awaited. The clock is fixed, because a busy machine could exceed the pause.
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => {
      vi.useRealTimers()
      vi.restoreAllMocks()
    })
    const agent = await start((path) =>
      path.includes('leader')
        ? leader
        : { status: 429, body: 'too many', headers: retryAfter ? { 'retry-after': retryAfter } : {} },
    )
    const connection = connect({ servers: [agent.endpoint] })
    expect(await failure(queryOnce(connection, query))).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    const { length } = agent.requests
    const error = await failure(queryOnce(connection, query))
    const pauseMs = Number(/no request for (\d+) ms/.exec(error.message)?.[1])
    expect(pauseMs).toBeGreaterThan(atLeastMs)
    expect(pauseMs).toBeLessThanOrEqual(30_000)
    expect(agent.requests).toHaveLength(length)
    await connection.run(ping, undefined, { urgent: true })
  })
})

describe('several agents', () => {
  test('the next one is used when one refuses, hangs or fails, and stays in use', async () => {
    const [hanging, broken, healthy] = [
      await start(() => undefined),
      await start(() => ({ status: 500 })),
      await start(() => leader),
    ]
    const servers = ['127.0.0.1:1', hanging.endpoint, broken.endpoint, healthy.endpoint]
    const connection = connect({ servers, operationTimeoutMs: 2_000 })
    await connection.run(ping)
    await connection.run(ping)
    expect([hanging.requests.length, broken.requests.length, healthy.requests.length]).toEqual([1, 1, 2])
  })

  test('blocking queries end when their agent is left', async () => {
    let isHealthy = true
    const first = await start((path) => (isWaiting(path) ? undefined : isHealthy ? { index: 1, body: 'x' } : { status: 500 }))
    const second = await start(() => leader)
    const connection = connect({ servers: [first.endpoint, second.endpoint], operationTimeoutMs: 5_000 })
    const following = failure(followQuery(connection, query, { signal: never, onFound: () => undefined }))
    await vi.waitFor(() => expect(first.requests.some(isWaiting)).toBe(true))
    isHealthy = false
    await connection.run(ping)
    expect(await following).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    expect(second.requests).toEqual(['/status/leader'])
  })

  test('if none responds, the error says so; a single one that responds with errors keeps its blocking queries', async () => {
    const agent = await start((path) =>
      isWaiting(path) ? undefined : path.includes('leader') ? { status: 500 } : { index: 1, body: [] },
    )
    const connection = connect({ servers: [agent.endpoint], operationTimeoutMs: 2_000 })
    const controller = new AbortController()
    const following = followQuery(connection, query, { signal: controller.signal, onFound: () => undefined })
    const outcome = Promise.race([failure(following), untilAborted(AbortSignal.timeout(300))])
    await vi.waitFor(() => expect(agent.requests.some(isWaiting)).toBe(true))
    await expect(connection.run(ping)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    expect(await outcome).toBeUndefined()
    controller.abort()
    await expect(connect({ servers: ['127.0.0.1:1', '127.0.0.1:2'] }).run(ping)).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
    })
  })

  test('can have an IPv6 address', async () => {
    const error = await failure(connect({ servers: ['[::1]:1'] }).run(ping))
    expect(error.message).toMatch(/ECONNREFUSED|EADDRNOTAVAIL/)
  })

  test('a connection that was idle too long is replaced', async () => {
    const used = new WeakSet<object>()
    const agent = await start((_, { socket }) => {
      if (used.has(socket)) {
        socket.destroy()
        return undefined
      }
      used.add(socket)
      return leader
    })
    const connection = connect({ servers: [agent.endpoint] })
    for (let count = 0; count < 3; count++) await connection.run(ping)
    expect(agent.requests).toHaveLength(5)
  })
})

describe('errors contain a hint', () => {
  test.each([
    ['/agent/service/register', 'service_prefix "…" { policy = "write" }'],
    ['/health/service/orders', 'node_prefix "" { policy = "read" }'],
    ['/catalog/services', 'node_prefix "" { policy = "read" }'],
    ['/kv/a', 'key_prefix "…"'],
    ['/session/create', 'session_prefix'],
    ['/agent/self', 'agent_prefix'],
  ])('%s, refused', async (path, rule) => {
    const agent = await start(() => ({ status: 403, body: 'token lacks permission \'service:write\' on "x"' }))
    const connection = connect({ servers: [agent.endpoint] })
    const error = await failure(connection.run(({ client, headers, options: { ctx } }) => client._get({ path, headers, ctx })))
    expect(error.message).toContain(`consul refused GET /v1${path}: token lacks permission 'service:write' on "x"`)
    expect(error.message).toContain(rule)
  })

  test('TLS to an agent without it, and the reverse', async () => {
    const plain = await start(() => leader)
    const error = await failure(connect({ servers: [`https://${plain.endpoint}`] }).run(ping))
    expect(error).toMatchObject({ code: 'SD_UNAVAILABLE' })
    expect(error.message).toContain('write its address with "http://"')
    const text = 'Client sent an HTTP request to an HTTPS server.'
    const secure = await start(() => ({ status: 400, body: text }))
    expect((await failure(connect({ servers: [secure.endpoint] }).run(ping))).message).toContain('as https://')
  })
})

describe('tokens', () => {
  test('are sent as a header, and are in no error', async () => {
    const agent = await start(() => ({ status: 403, body: 'Permission denied' }))
    const error = await failure(connect({ servers: [agent.endpoint], token: 'secret' }).run(ping))
    expect([agent.tokens, agent.requests]).toEqual([['secret'], ['/status/leader']])
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('secret')
    expect(error.code).toBe('SD_DENIED')
  })

  test('that are refused are requested again, once for all refused requests', async () => {
    let current = 'first'
    const token = vi.fn(async () => current)
    const agent = await start((_, { headers }) => (headers['x-consul-token'] === current ? leader : { status: 403 }))
    const connection = connect({ servers: [agent.endpoint], token, operationTimeoutMs: 5_000 })
    await connection.run(ping)
    current = 'second'
    await Promise.all(Array.from({ length: 5 }, () => connection.run(ping)))
    expect(token).toHaveBeenCalledTimes(2)
    token.mockResolvedValue('wrong')
    current = 'third'
    await expect(connection.run(ping)).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('that are missing, or never arrive, are errors', async () => {
    const agent = await start(() => leader)
    const token = vi.fn<() => Promise<string>>()
    const connection = connect({ servers: [agent.endpoint], token })
    token.mockRejectedValueOnce(new Error('closed'))
    await expect(connection.run(ping)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    token.mockResolvedValueOnce('')
    await expect(connection.run(ping)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    token.mockReturnValueOnce(new Promise(() => undefined))
    await expect(connection.run(ping)).rejects.toMatchObject({ retryable: true })
    token.mockResolvedValueOnce('good')
    await vi.waitFor(() => connection.run(ping))
    expect(agent.tokens).toEqual(['good'])
  })
})

describe('options', () => {
  test('have defaults', () => {
    expect(resolveConsulConnectionOptions({}, 'consul')).toMatchObject({
      servers: [{ host: '127.0.0.1', port: 8_500, secure: false }],
      waitMs: 55_000,
      maxWatchConnections: 128,
      operationTimeoutMs: 5_000,
    })
  })

  test.each([
    ['servers', { servers: [] }],
    ['servers[0]', { servers: ['user:secret@host'] }],
    ['servers', { servers: ['http://a', 'https://b'] }],
    ['servers', { tls: {} }],
    ['token', { token: '' }],
    ['tls.key', { servers: ['https://a'], tls: { key: 'secret' } }],
    ['datacenter', { datacenter: ' ' }],
    ['waitMs', { waitMs: 1 }],
    ['maxWatchConnections', { maxWatchConnections: 0 }],
    ['maxConnections', { maxConnections: 1.5 }],
    ['operationTimeoutMs', { operationTimeoutMs: 1 }],
  ])('an invalid %s is refused without showing a secret', async (field, options) => {
    const error = await failure((async () => resolveConsulConnectionOptions(options, 'consul'))())
    expect(error).toMatchObject({ code: 'SD_INVALID', field })
    expect(error.message).not.toContain('secret')
  })

  test('a prefix has no leading or trailing slash', () => {
    expect(checkPrefix('a/b')).toBe('a/b')
    for (const wrong of ['', '/a', 'a/']) expect(() => checkPrefix(wrong)).toThrow('Invalid prefix')
  })
})
