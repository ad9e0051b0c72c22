import type { IncomingMessage } from 'node:http'
import { answerInquiries, publishTelemetry, reportStates, SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import { changeRoutes } from './changes/make-change.ts'
import { type AdminErrorBody, type AuditEntry, createAdmin, type ProcessInfo, serveAdmin } from './index.ts'
import { readRoutes } from './reads/routes.ts'
import { ask, CHANGE_HEADERS, change } from './testing/ask.ts'
import { followEvents } from './testing/read-events.ts'
import { CANARY, listen, startWorld, type World } from './testing/world.ts'

const token = 'a-token-of-more-than-sixteen-characters'
const bearer = { authorization: `Bearer ${token}` }

/** Controls that record every call of a method. */
function recordingControls(calls: string[]) {
  const recorder = (name: string): never =>
    new Proxy({} as never, {
      get: (_, method) =>
        method === 'level'
          ? 'info'
          : (...values: readonly unknown[]) => {
              calls.push(`${name}.${String(method)}`)
              if (method === 'list' || method === 'diff') return Promise.resolve([])
              if (method === 'explain') return { value: values[0] }
              return undefined
            },
      set(_, property) {
        calls.push(`${name}.${String(property)}=`)
        return true
      },
    })
  return {
    client: recorder('client'),
    allowCalls: true,
    config: recorder('config'),
    alerts: recorder('alerts'),
    registrations: () => {
      calls.push('registrations')
      return []
    },
    histories: { orders: recorder('history') },
    logging: recorder('logging'),
  }
}

/** Paths of all routes, with values for the variable segments. */
const paths = [...readRoutes, ...changeRoutes].map(({ path }) =>
  path.map((part) => (part === '*' || part === '?' ? 'orders' : part)),
)
const allPaths = [...new Set([...paths, ['snapshot']].map((segments) => `/sd/v1/${segments.join('/')}`))]
const queries = ['', '?service=stock', '?path=db', '?before=1&after=2', '?series=cpu']

describe('1. read-only by construction', () => {
  test('without a control every method but GET and HEAD is refused', async () => {
    await using server = await serveAdmin({ port: 0 })
    for (const path of allPaths) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const { status } = await ask(`${server.origin}${path}`, { method, headers: CHANGE_HEADERS, body: '{"reason":"x"}' })
        expect([status, method, path]).toEqual([405, method, path])
      }
    }
  })

  test('the answer says which control is missing, and a reader learns what may be changed', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { alerts: world.alerts } })
    const { text } = await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'open', reason: 'x' })
    expect(text).toContain('This process has no control breakers')
    expect((await ask(`${server.origin}/sd/v1/`)).json<ProcessInfo>().controls).toEqual(['alerts'])
  })

  test('a principal that may only read sees no controls, and is refused and audited', async () => {
    await using world = await startWorld()
    const authenticate = () => ({ name: 'viewer', isReadOnly: true })
    await using server = await world.serve({ controls: { client: world.client }, authenticate })
    expect((await ask(`${server.origin}/sd/v1`)).json<ProcessInfo>().controls).toEqual([])
    expect((await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'open', reason: 'x' })).status).toBe(403)
    expect(world.client.breaker('stock')?.state).toBe('closed')
    expect(world.audits).toMatchObject([{ by: 'viewer', action: 'breaker.set', error: { code: 'SD_DENIED' } }])
  })

  test('GET of any path changes nothing', async () => {
    const calls: string[] = []
    await using server = await serveAdmin({ port: 0, controls: recordingControls(calls) })
    for (const path of allPaths) {
      for (const query of queries) await ask(`${server.origin}${path}${query}`)
      await ask(`${server.origin}${path}`, { method: 'HEAD' })
      await ask(`${server.origin}${path}`, { headers: CHANGE_HEADERS, body: '{"state":"open","reason":"x"}' })
    }
    expect(new Set(calls)).toEqual(new Set(['history.list', 'history.diff']))
  })
})

describe('2. no open door', () => {
  test.each([undefined, 'open', 5, { token: 'short' }, { token, more: 1 }, null])('createAdmin refuses %j', (authenticate) => {
    expect(() => createAdmin({ authenticate } as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID' }))
  })

  test.each(['0.0.0.0', '::', '10.0.0.1', 'admin.example'])('serveAdmin on %s needs credentials', async (host) => {
    const said = expect.objectContaining({ code: 'SD_INVALID', field: 'authenticate' })
    await expect(serveAdmin({ host, port: 0 })).rejects.toThrow(said)
    await expect(serveAdmin({ host, port: 0, authenticate: 'loopback' })).rejects.toThrow(said)
  })

  test('no error shows a token', async () => {
    expect(() => createAdmin({ authenticate: { token: 'sh0rt-secret' } })).toThrow(/^(?!.*sh0rt-secret).*12 characters/)
    await using server = await serveAdmin({ port: 0, authenticate: { token: () => 'sh0rt-secret' } })
    const { status, text } = await ask(`${server.origin}/sd/v1`, { headers: bearer })
    expect(status).toBe(503)
    expect(text).not.toContain('sh0rt-secret')
    expect(text).toContain('SD_INVALID')
  })

  test('a token that a function returns can change', async () => {
    let current = token
    await using server = await serveAdmin({ port: 0, authenticate: { token: async () => current, name: 'fleet' } })
    expect((await ask(`${server.origin}/sd/v1`, { headers: bearer })).status).toBe(200)
    current = 'another-token-of-more-than-16-characters'
    const { status, headers } = await ask(`${server.origin}/sd/v1`, { headers: bearer })
    expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer'])
  })

  test('a token in the URL is not read', async () => {
    await using server = await serveAdmin({ port: 0, authenticate: { token } })
    expect((await ask(`${server.origin}/sd/v1?token=${token}`)).status).toBe(401)
  })

  test('more than five failures of an address within a second are followed by 429, even with the right token', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    await using server = await serveAdmin({ port: 0, authenticate: { token } })
    const wrong = { authorization: 'Bearer wrong-token-of-sixteen' }
    const statuses: number[] = []
    for (let attempt = 0; attempt < 6; attempt++) statuses.push((await ask(`${server.origin}/sd/v1`, { headers: wrong })).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
    const refused = await ask(`${server.origin}/sd/v1`, { headers: bearer })
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1'])
    vi.advanceTimersByTime(1_000)
    expect((await ask(`${server.origin}/sd/v1`, { headers: bearer })).status).toBe(200)
    vi.useRealTimers()
  })

  test.each(['x-forwarded-for', 'forwarded', 'via'])(
    'a request through a proxy on this machine (%s) is not local',
    async (name) => {
      await using server = await serveAdmin({ port: 0 })
      expect((await ask(`${server.origin}/sd/v1`, { headers: { [name]: '10.0.0.1' } })).status).toBe(401)
    },
  )

  test('a function decides, and one that fails admits no request', async () => {
    const authenticate = ({ headers }: IncomingMessage) => {
      if (headers['x-user'] === undefined) throw new Error(`database password=${CANARY}`)
      return headers['x-user'] === 'ada' ? { name: 'ada' } : undefined
    }
    await using server = await serveAdmin({ port: 0, authenticate })
    const statusOf = async (headers: Readonly<Record<string, string>>) =>
      (await ask(`${server.origin}/sd/v1`, { headers })).status
    expect(await statusOf({ 'x-user': 'ada' })).toBe(200)
    expect(await statusOf({ 'x-user': 'eve' })).toBe(401)
    const { status, text } = await ask(`${server.origin}/sd/v1`)
    expect([status, text.includes(CANARY)]).toEqual([503, false])
  })
})

describe('4. the Host header', () => {
  test('another name is refused with the option that admits it', async () => {
    await using server = await serveAdmin({ port: 0 })
    const { status, text } = await ask(`${server.origin}/sd/v1/snapshot`, { headers: { host: 'evil.example' } })
    expect(status).toBe(421)
    expect(text).toContain('add it to the option hosts of @sd/admin')
  })

  test.each(['localhost', 'localhost:9465', '127.0.0.1', '[::1]:80', 'admin.example', 'ADMIN.example:8443', 'only.example:1'])(
    '%s is accepted',
    async (host) => {
      await using server = await serveAdmin({ port: 0, hosts: ['Admin.example', 'only.example:1'] })
      expect((await ask(`${server.origin}/sd/v1`, { headers: { host } })).status).toBe(200)
    },
  )

  test.each(['only.example:2', 'localhost.evil.example', '127.evil.example', '10.0.0.1'])('%j is refused', async (host) => {
    await using server = await serveAdmin({ port: 0, hosts: ['only.example:1'] })
    expect((await ask(`${server.origin}/sd/v1`, { headers: { host } })).status).toBe(421)
  })
})

describe('5. changes come from the same site', () => {
  test.each<[string, Readonly<Record<string, string>>, number]>([
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['text', { 'content-type': 'text/plain' }, 415],
    ['JSON by another name', { 'content-type': 'application/jsonp' }, 415],
    ['no header of the console', { 'x-sd-console': '0' }, 403],
    ['another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['another host of the site', { 'sec-fetch-site': 'same-site' }, 403],
    ['another origin', { origin: 'https://evil.example' }, 403],
    ['an opaque origin', { origin: 'null' }, 403],
  ])('%s is refused', async (_, headers, expected) => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client } })
    const { status } = await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'open', reason: 'x' }, headers)
    expect(status).toBe(expected)
    expect(world.client.breaker('stock')?.state).toBe('closed')
  })

  test('the own origin is accepted', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client } })
    const headers = { origin: server.origin, 'sec-fetch-site': 'same-origin' }
    const { status } = await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'open', reason: 'x' }, headers)
    expect([status, world.client.breaker('stock')?.state]).toEqual([200, 'open'])
  })
})

/** Puts the canary wherever text of the process can come from. */
async function plantCanary({ client }: World, stack: AsyncDisposableStack): Promise<void> {
  await client
    .get('stock', `/fail?token=${CANARY}`, { headers: { authorization: `Bearer ${CANARY}` } })
    .then((found) => found.text())
  await client.get('stock', `/reset-token/${CANARY}/x`).then((found) => found.text())
  const error = new SdError('SD_UNAVAILABLE', `postgres://u:${CANARY}@h failed`, { cause: new Error(`password=${CANARY}`) })
  const call = { service: 'stock', method: 'GET', path: `/x?access_token=${CANARY}#${CANARY}`, startedAt: 0 }
  publishTelemetry('sd:v1:call:end', { call, error, durationMs: 99_999, attempts: 1 })
  publishTelemetry('sd:v1:backend:state', { backend: 'consul', state: 'disconnected', error })
  publishTelemetry('sd:v1:config:update', { config: 'app', version: 2, changed: [], durationMs: 1, error })
  stack.defer(reportStates(() => [{ kind: 'backend', backend: `https://u:${CANARY}@h`, state: 'connected' }]))
  stack.defer(answerInquiries('locks', () => [{ lock: 'l', key: 'k', value: `http://u:${CANARY}@h`, token: '1', since: 1 }]))
  const check = { check: 'db', kind: 'readiness', status: 'unhealthy', since: 1, details: { password: CANARY } } as const
  stack.defer(answerInquiries('health', () => [{ status: 'unhealthy', isLive: true, isReady: false, checks: [check] }]))
}

describe('7. no secret leaves the process', () => {
  test('a planted secret is in no byte of any answer, audit or event', async () => {
    await using world = await startWorld()
    await using stack = new AsyncDisposableStack()
    const { client, config, alerts, history, stock } = world
    const controls = { client, allowCalls: true, config, alerts, histories: { orders: history }, registrations: [stock] }
    await using server = await world.serve({ controls })
    await plantCanary(world, stack)
    const seen: string[] = []
    for (const path of allPaths) {
      for (const query of queries) {
        const { text, headers } = await ask(`${server.origin}${path}${query}`)
        seen.push(text, JSON.stringify(headers))
      }
    }
    const changes: readonly (readonly [string, object])[] = [
      ['/config/set', { path: 'db.password', value: CANARY, reason: 'rotate' }],
      ['/config/unset', { path: 'db.password', reason: 'back' }],
      ['/config/reload', { reason: `password=${CANARY}` }],
      ['/histories/orders/put', { content: `a: ${CANARY}`, ifVersion: 2, reason: 'x' }],
      ['/histories/orders/put', { content: `a: ${CANARY}`, ifVersion: 2, reason: 'conflict' }],
      ['/histories/orders/rollback', { version: 1, ifVersion: 3, reason: 'x' }],
      [`/calls/try`, { service: 'stock', path: `/a?token=${CANARY}`, headers: { 'x-api-key': CANARY }, reason: 'x' }],
      ['/calls/try', { service: 'stock', path: '/a', headers: { 'x-api-key': [CANARY] }, reason: 'x' }],
      ['/calls/try', { service: 'stock', path: CANARY, reason: 'x' }],
    ]
    for (const [path, body] of changes) seen.push((await change(`${server.origin}/sd/v1${path}`, body)).text)
    seen.push(
      (await ask(`${server.origin}/sd/v1/config/reload`, { method: 'POST', headers: CHANGE_HEADERS, body: `{"${CANARY}` })).text,
    )
    const reader = await followEvents(server.origin)
    await expect.poll(() => reader.events.map(({ text }) => text).join()).toContain('history.rollback')
    reader.close()
    seen.push(...world.audits.map((entry) => JSON.stringify(entry)), JSON.stringify(reader.events))
    const all = seen.join('\n')
    expect(all).not.toContain(CANARY)
    // It did look at something.
    for (const part of ['"path":"/fail"', '/reset-token/***/x', 'config.set', 'consul is disconnected', '"password":"***"']) {
      expect(all).toContain(part)
    }
  })
})

describe('9. text from outside is data', () => {
  test('markup, control characters and long texts come out as JSON, with headers that forbid guessing', async () => {
    await using world = await startWorld()
    const hostile = `<script>alert(1)</script>\u202e\u001b[31m"${'x'.repeat(100_000)}`
    await using server = await world.serve()
    publishTelemetry('sd:v1:backend:state', { backend: hostile, state: 'connected' })
    const call = { service: hostile, method: 'GET', path: `/${hostile}`, startedAt: 0 }
    publishTelemetry('sd:v1:call:end', { call, status: 500, durationMs: 1, attempts: 1 })
    const answer = await ask(`${server.origin}/sd/v1/slow`)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    })
    const { failed } = answer.json<{ failed: readonly { readonly path: string }[] }>()
    expect(failed[0]?.path.length).toBeLessThanOrEqual(1_000)
    expect(answer.text).not.toContain('\u001b')
  })

  test.each(['/sd/v1/%zz', '/sd/v1/histories/%ff', '/sd/v1/constructor', '/sd/v1/histories/__proto__', '/sd/v1//x'])(
    '%s gets an error of its own',
    async (path) => {
      await using world = await startWorld()
      await using server = await world.serve({ controls: { histories: { orders: world.history } } })
      const answer = await ask(`${server.origin}${path}`)
      expect([400, 404]).toContain(answer.status)
      expect(answer.json<AdminErrorBody>().error.message).toBeTypeOf('string')
    },
  )

  test('a query that is not known is refused', async () => {
    await using server = await serveAdmin({ port: 0 })
    expect((await ask(`${server.origin}/sd/v1/edges?services=x`)).json<AdminErrorBody>().error.message).toContain('no query')
  })

  test('a body that is too large is refused, and one that is not JSON', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { config: world.config } })
    const url = `${server.origin}/sd/v1/config/set`
    expect((await change(url, { path: 'a', value: 'x'.repeat(3_000_000), reason: 'x' })).status).toBe(413)
    for (const body of ['', '[]', '"x"', '{']) {
      expect((await ask(url, { method: 'POST', headers: CHANGE_HEADERS, body })).status).toBe(400)
    }
  })
})

describe('10. audit', () => {
  test('has principal, time, address, action, target, reason, before and after', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client }, authenticate: { token, name: 'ada' } })
    const startedAt = Date.now()
    await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'isolated', reason: 'a drill' }, bearer)
    const [entry] = world.audits as [AuditEntry]
    expect(entry).toEqual({
      at: expect.any(Number),
      by: 'ada',
      from: '127.0.0.1',
      action: 'breaker.set',
      target: 'stock',
      reason: 'a drill',
      before: 'closed',
      after: 'isolated',
    })
    expect(entry.at).toBeGreaterThanOrEqual(startedAt)
  })

  test('a change without a reason is refused', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client } })
    const answer = await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'open' })
    expect([answer.status, answer.json<AdminErrorBody>().error.field]).toEqual([400, 'body.reason'])
    expect(world.client.breaker('stock')?.state).toBe('closed')
  })

  test('by default it is a line of JSON on stderr, also with a hostile reason', async () => {
    const lines: string[] = []
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean(lines.push(String(text))))
    await using world = await startWorld()
    await using stack = new AsyncDisposableStack()
    const admin = stack.use(createAdmin({ authenticate: 'loopback', controls: { client: world.client } }))
    const port = await listen(stack, (request, response) => void admin.handler(request, response))
    await change(`http://127.0.0.1:${port}/sd/v1/breakers/stock`, { state: 'open', reason: 'x "y" {}' })
    write.mockRestore()
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ audit: '@sd/admin', by: 'loopback', reason: 'x "y" {}' }])
  })

  test('a failing listener affects no change', async () => {
    await using world = await startWorld()
    const onAudit = (): never => {
      throw new Error('broken')
    }
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    await using server = await world.serve({ controls: { client: world.client }, onAudit })
    expect((await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'open', reason: 'x' })).status).toBe(200)
    expect(warned).toHaveBeenCalledOnce()
    warned.mockRestore()
  })
})
