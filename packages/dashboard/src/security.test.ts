import { once } from 'node:events'
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http'
import { eventually } from '@sd/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { READ_ROUTES } from './http/routes.ts'
import { createDashboard, serveDashboard } from './index.ts'
import { createScriptedFleet } from './testing/scripted-fleet.ts'
import { startConsole, type TestConsole, type TestConsoleOptions, TOKEN } from './testing/start-console.ts'

// The security contract: each line of it is a test. The browser's side of it is in pages.integration.test.ts.

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
}

interface Sent {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: unknown
}

/** Limit of a wait for a condition. */
const limitMs = 20_000
const page = { 'content-type': 'application/json', 'x-sd-console': '1', 'sec-fetch-site': 'same-origin' }

async function start(options: TestConsoleOptions = {}): Promise<TestConsole> {
  const console = await startConsole(options)
  onTestFinished(() => console[Symbol.asyncDispose]())
  return console
}

/** Sends a request as it is: `fetch` would set or forbid some of the fields. */
async function send(
  { port }: Pick<TestConsole, 'port'>,
  path: string,
  { method = 'GET', headers = {}, body }: Sent = {},
): Promise<Answer> {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const all = { host: `127.0.0.1:${port}`, 'content-length': Buffer.byteLength(text), ...headers }
  const request = httpRequest({ port, host: '127.0.0.1', path, method, headers: all }).end(text)
  const [response] = await once(request, 'response')
  let received = ''
  for await (const chunk of response.setEncoding('utf8')) received += chunk
  return { status: response.statusCode, headers: response.headers, text: received }
}

async function logIn(console: TestConsole, body: object = { secret: TOKEN }): Promise<string> {
  const { status, headers } = await send(console, '/api/login', { method: 'POST', headers: page, body })
  expect(status).toBe(200)
  return String(headers['set-cookie']?.[0]).split(';', 1)[0] as string
}

const rollback = { action: 'config.rollback', source: 'etcd', key: 'orders.yaml', version: 2, ifVersion: 4, reason: 'too many' }

describe('1. read-only by construction', () => {
  test('without write, every method other than GET is refused on every path', async () => {
    const console = await start()
    const cookie = await logIn(console)
    for (const path of ['/', '/page.js', '/api/changes', '/api/model', ...[...READ_ROUTES.keys()].map((route) => `/${route}`)]) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const { status, headers } = await send(console, path, { method, headers: { ...page, cookie }, body: rollback })
        expect([path, method, status, headers['allow']]).toEqual([path, method, 405, 'GET, HEAD'])
      }
    }
    expect(await console.history.list()).toHaveLength(4)
  })

  test('the page learns it from its session', async () => {
    const console = await start()
    const cookie = await logIn(console)
    expect(JSON.parse((await send(console, '/api/session', { headers: { cookie } })).text)).toMatchObject({ canWrite: false })
  })

  test('GET changes nothing, on any route', async () => {
    const console = await start({ write: true })
    const cookie = await logIn(console)
    const before = JSON.stringify([await console.history.list(), console.fleet.changes])
    const query =
      'service=orders&process=p-orders-0&path=/slow&source=etcd&key=orders.yaml&from=1&to=2&action=config.rollback&version=1&reason=x'
    for (const path of [...READ_ROUTES.keys(), 'api/changes', 'api/login', 'api/logout', 'api/code']) {
      if (path !== 'api/events') await send(console, `/${path}?${query}`, { headers: { cookie } })
    }
    expect(JSON.stringify([await console.history.list(), console.fleet.changes])).toBe(before)
    expect((await send(console, '/api/model', { headers: { cookie } })).status).toBe(200)
  })
})

describe('2. no open door', () => {
  test('other addresses than loopback need a way to authenticate', async () => {
    const fleet = createScriptedFleet()
    await expect(serveDashboard({ fleet, host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
      code: 'SD_INVALID',
      field: 'authenticate',
    })
    expect(() => createDashboard({ fleet } as never)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field: 'authenticate' }),
    )
  })

  test('a short token is refused, and its error does not contain it', () => {
    const fleet = createScriptedFleet()
    const create = () => createDashboard({ fleet, authenticate: { kind: 'token', token: 'short-one' } })
    expect(create).toThrow('at least 16 characters')
    expect(create).not.toThrow('short-one')
  })

  test('nothing but the page and the session is answered without a login', async () => {
    const console = await start()
    for (const path of READ_ROUTES.keys()) expect([path, (await send(console, `/${path}`)).status]).toEqual([path, 401])
    expect(JSON.parse((await send(console, '/api/session')).text)).toEqual({
      login: 'token',
      canLogout: true,
      canWrite: false,
      canDeregister: false,
    })
  })

  test('after five failures within a second an address has to wait; the token is then not looked at', async () => {
    let now = 1_000_000
    const console = await start({ now: () => now })
    const attempt = async (secret: string) =>
      (await send(console, '/api/login', { method: 'POST', headers: page, body: { secret } })).status
    for (let index = 0; index < 5; index++) expect(await attempt('wrong')).toBe(401)
    expect(await attempt(TOKEN)).toBe(429)
    now += 1_001
    expect(await attempt(TOKEN)).toBe(200)
    expect(console.audit.map(({ action, error }) => [action, error?.code])).toContainEqual(['login', 'Refusal'])
    expect(JSON.stringify(console.audit)).not.toContain(TOKEN)
  })

  test('five parallel guesses are the limit too', async () => {
    const console = await start({ now: () => 5 })
    const attempts = Array.from({ length: 20 }, () =>
      send(console, '/api/login', { method: 'POST', headers: page, body: { secret: 'guess' } }),
    )
    const statuses = (await Promise.all(attempts)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 401)).toHaveLength(5)
    expect(statuses.filter((status) => status === 429)).toHaveLength(15)
  })
})

describe('3. sessions', () => {
  test('the cookie is out of reach for scripts and other sites, and has a plain name on loopback only', async () => {
    const console = await start({ hosts: ['ops.example'] })
    const { headers } = await send(console, '/api/login', { method: 'POST', headers: page, body: { secret: TOKEN } })
    expect(headers['set-cookie']).toEqual([
      expect.stringMatching(/^sd-\d+=[\w.-]+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict$/),
    ])
    const proxied = await send(console, '/api/login', {
      method: 'POST',
      headers: { ...page, host: 'ops.example' },
      body: { secret: TOKEN },
    })
    expect(proxied.headers['set-cookie']).toEqual([
      expect.stringMatching(/^__Host-sd=[\w.-]+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict; Secure$/),
    ])
  })

  test('a changed cookie, an expired one and one after the logout open nothing', async () => {
    let now = 1_000_000
    const console = await start({ now: () => now })
    const cookie = await logIn(console)
    const status = async (given: string) => (await send(console, '/api/model', { headers: { cookie: given } })).status
    expect(await status(cookie)).toBe(200)
    const [name = '', value = ''] = cookie.split('=')
    const [payload = '', signature = ''] = value.split('.')
    const forged = Buffer.from(
      Buffer.from(payload, 'base64url').toString().replace('"canWrite":true', '"canWrite":true,"x":1'),
    ).toString('base64url')
    expect(await status(`${name}=${forged}.${signature}`)).toBe(401)
    expect(await status(`${name}=${payload}.`)).toBe(401)
    now += 8 * 3_600_000
    expect(await status(cookie)).toBe(401)
    const second = await logIn(console)
    const { headers } = await send(console, '/api/logout', { method: 'POST', headers: { ...page, cookie: second }, body: {} })
    expect(headers['set-cookie']?.[0]).toContain('Max-Age=0')
    expect(await status(second)).toBe(401)
  })

  test('an open stream ends with its session', async () => {
    const console = await start()
    const cookie = await logIn(console)
    const stream = send(console, '/api/events', { headers: { cookie } })
    await send(console, '/api/logout', { method: 'POST', headers: { ...page, cookie }, body: {} })
    expect((await stream).text).toContain('"kind":"whole"')
  })

  test('a proxy names the user, from a trusted address only, and its group may write', async () => {
    const header = { kind: 'header', user: 'X-Forwarded-User', groups: 'x-forwarded-groups', writeGroup: 'ops' } as const
    const trusted = await start({ write: true, authenticate: { ...header, trust: ['127.0.0.0/8'] } })
    const who = async (console: TestConsole, headers: OutgoingHttpHeaders) =>
      JSON.parse((await send(console, '/api/session', { headers })).text)
    const ann = { 'x-forwarded-user': 'ann', 'x-forwarded-groups': 'dev, ops' }
    expect(await who(trusted, ann)).toEqual({
      login: 'none',
      canLogout: false,
      user: 'ann',
      canWrite: true,
      canDeregister: false,
    })
    expect(await who(trusted, { ...ann, 'x-forwarded-groups': 'devops' })).toMatchObject({ user: 'ann', canWrite: false })
    expect(await who(trusted, {})).toEqual({ login: 'none', canLogout: false, canWrite: false, canDeregister: false })
    const other = await start({ write: true, authenticate: { ...header, trust: ['10.0.0.0/8', '2001:db8::/32'] } })
    expect(await who(other, ann)).toEqual({ login: 'none', canLogout: false, canWrite: false, canDeregister: false })
    expect((await send(other, '/api/model', { headers: ann })).status).toBe(401)
  })

  test.each([[[]], [['10.0.0.0/33']], [['example.com']], [['10.0.0.0/']]])('proxies %j are refused', (trust) => {
    const authenticate = { kind: 'header', user: 'x-user', trust } as const
    expect(() => createDashboard({ fleet: createScriptedFleet(), authenticate })).toThrow(
      expect.objectContaining({ code: 'SD_INVALID' }),
    )
  })
})

test('4. another host is refused, and the refusal names the option', async () => {
  const console = await start({ hosts: ['ops.example:8443'] })
  const { status, text } = await send(console, '/', { headers: { host: 'evil.example:7070' } })
  expect(status).toBe(421)
  expect(text).toContain('hosts: [\\"evil.example\\"]')
  const statusOf = async (host: string) => (await send(console, '/api/session', { headers: { host } })).status
  expect(await statusOf('OPS.example:8443')).toBe(200)
  expect(await statusOf('ops.example')).toBe(421)
  expect(await statusOf('localhost:1')).toBe(200)
  expect(await statusOf('[::1]:1')).toBe(200)
  expect(await statusOf('127.0.0.1.evil.example')).toBe(421)
})

describe('5. a page of another origin', () => {
  test.each([
    ['a form', { 'content-type': 'text/plain' }, 415],
    ['without the header field of the page', { 'x-sd-console': '' }, 403],
    ['from another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['from another port of this host', { 'sec-fetch-site': 'same-site' }, 403],
    ['from another origin', { origin: 'http://127.0.0.1:1' }, 403],
    ['without a word of the browser', { 'sec-fetch-site': undefined }, 403],
  ])('%s changes nothing', async (_, headers, wanted) => {
    const console = await start({ write: true })
    const cookie = await logIn(console)
    const all = Object.entries({ ...page, cookie, ...headers }).filter(([, value]) => value !== undefined)
    const { status } = await send(console, '/api/changes', {
      method: 'POST',
      headers: Object.fromEntries(all) as OutgoingHttpHeaders,
      body: rollback,
    })
    expect(status).toBe(wanted)
    expect(await console.history.list()).toHaveLength(4)
  })

  test('can read nothing either, with the cookie of the user', async () => {
    const console = await start()
    const cookie = await logIn(console)
    for (const site of ['cross-site', 'same-site'])
      expect((await send(console, '/api/model', { headers: { cookie, 'sec-fetch-site': site } })).status).toBe(403)
  })
})

test('6. every answer has the header fields, whatever its status', async () => {
  const console = await start({ write: true })
  const cookie = await logIn(console)
  const answers = [
    await send(console, '/api/session'),
    await send(console, '/api/model'),
    await send(console, '/api/model', { headers: { cookie } }),
    await send(console, '/nothing'),
    await send(console, '/', { headers: { host: 'evil' } }),
    await send(console, '/api/changes', { method: 'POST', headers: { ...page, cookie }, body: '{' }),
    await send(console, '/api/login', { method: 'PUT' }),
  ]
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringContaining("default-src 'none'; script-src 'self'"),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-store',
    })
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'; require-trusted-types-for 'script'")
    expect(headers['access-control-allow-origin']).toBeUndefined()
  }
})

test('7. a secret that is everywhere is in no byte of any answer', async () => {
  const secret = 'tiger-canary'
  const hostile = ` postgres://sa:${secret}@db/x password=${secret} authorization: Bearer ${secret}`
  const console = await start({ write: true, script: { hostile } })
  const cookie = await logIn(console)
  for (const fault of ['unhealthy', 'silent', 'breaker', 'alert'] as const) console.fleet.set(fault, true)
  const texts: string[] = []
  const read = async (path: string): Promise<void> => void texts.push((await send(console, path, { headers: { cookie } })).text)
  await read('/api/model')
  await read('/api/configs')
  for (const key of ['orders.yaml', 'flags.json', 'orders.yaml.canary', 'none']) await read(`/api/config?source=etcd&key=${key}`)
  for (const [from, to] of [
    [1, 2],
    [2, 3],
    [3, 4],
    [1, 4],
  ])
    await read(`/api/config/diff?source=etcd&key=orders.yaml&from=${from}&to=${to}`)
  for (const path of ['/slow', '/calls', '/config', '/samples', '/edges']) await read(`/api/ask?process=p-orders-0&path=${path}`)
  await read(`/api/ask?process=p-cron&path=/slow&value=${encodeURIComponent(`password=${secret}`)}`)
  const { text } = await send(console, '/api/changes', {
    method: 'POST',
    headers: { ...page, cookie },
    body: { ...rollback, ifVersion: 1 },
  })
  texts.push(text, JSON.stringify(console.audit))
  expect(texts.join('').length).toBeGreaterThan(20_000)
  expect(texts.filter((one) => one.includes(secret))).toEqual([])
  expect(texts.join('')).toContain('(encrypted with key 2026-01)')
})

test('8. only known paths of known processes are asked', async () => {
  const console = await start()
  const cookie = await logIn(console)
  const ask = async (process: string, path: string) =>
    (await send(console, `/api/ask?process=${process}&path=${encodeURIComponent(path)}`, { headers: { cookie } })).status
  expect(await ask('p-orders-0', '/slow')).toBe(200)
  for (const path of ['/slow?x', '/../admin', '/histories/x', '//evil.example/', 'http://evil.example/', '/draining'])
    expect([path, await ask('p-orders-0', path)]).toEqual([path, 400])
  expect(await ask('127.0.0.1:22', '/slow')).toBe(404)
})

test('9. bodies, parameters and names have limits', async () => {
  const console = await start({ write: true })
  const cookie = await logIn(console)
  const post = async (body: unknown) =>
    (await send(console, '/api/changes', { method: 'POST', headers: { ...page, cookie }, body })).status
  expect(await post({ ...rollback, reason: 'x'.repeat(20_000) })).toBe(413)
  expect(await post({ ...rollback, reason: 'x'.repeat(600) })).toBe(400)
  expect(await post([])).toBe(400)
  expect((await send(console, `/api/explain?service=${'x'.repeat(2_000)}`, { headers: { cookie } })).status).toBe(414)
  expect((await send(console, '/%2e%2e/package.json')).status).toBe(404)
  expect((await send(console, '/constructor')).status).toBe(404)
})

describe('10. changes are audited', () => {
  test('the user, the time, the address, the change, the reason, before and after', async () => {
    const console = await start({ write: true, now: () => 42 })
    const cookie = await logIn(console)
    const { status } = await send(console, '/api/changes', { method: 'POST', headers: { ...page, cookie }, body: rollback })
    expect(status).toBe(200)
    expect(console.audit.at(-1)).toEqual({
      at: 42,
      by: 'token',
      from: '127.0.0.1',
      action: 'config.rollback',
      target: 'etcd orders.yaml',
      reason: 'too many',
      before: { version: 4 },
      after: { version: 5, of: 2, state: 'written' },
    })
    expect((await console.history.list())[0]).toMatchObject({ author: 'token', comment: 'too many', change: 'rollback' })
  })

  test('a refused one too; without a reason nothing is tried', async () => {
    const console = await start({ write: true })
    const cookie = await logIn(console)
    const post = async (body: object) =>
      (await send(console, '/api/changes', { method: 'POST', headers: { ...page, cookie }, body })).status
    expect(await post({ ...rollback, ifVersion: 3 })).toBe(409)
    expect(console.audit.at(-1)).toMatchObject({ action: 'config.rollback', error: { code: 'SD_CONFLICT' } })
    for (const reason of ['', '  ', undefined, 7]) expect(await post({ ...rollback, reason })).toBe(400)
    expect(console.audit.filter(({ action }) => action === 'config.rollback')).toHaveLength(1)
  })

  test('a user that may not write changes nothing', async () => {
    const console = await start({
      write: true,
      authenticate: { kind: 'password', check: async (name, password) => (password === 'sesame' ? { name } : undefined) },
    })
    const cookie = await logIn(console, { user: 'eve', secret: 'sesame' })
    const { status, text } = await send(console, '/api/changes', { method: 'POST', headers: { ...page, cookie }, body: rollback })
    expect([status, text]).toEqual([403, expect.stringContaining('eve may not change anything')])
    expect(await console.history.list()).toHaveLength(4)
  })
})

describe('11. a code that is printed', () => {
  test('opens the page once', async () => {
    const codes: string[] = []
    const server = await serveDashboard({
      fleet: createScriptedFleet(),
      port: 0,
      onCode: (code, url) => void codes.push(code, url),
      onAudit: () => undefined,
    })
    onTestFinished(() => server.close())
    const [code = '', url] = codes
    expect(code).toMatch(/^[2-9A-Z]{10}$/)
    expect(url).toBe(server.url)
    const enter = (secret: string) => send(server, '/api/login', { method: 'POST', headers: page, body: { secret } })
    expect((await enter('WRONG')).status).toBe(401)
    const first = await enter(`${code.slice(0, 5)}-${code.slice(5).toLowerCase()}`)
    expect(first.status).toBe(200)
    expect((await enter(code)).status).toBe(401)
    await eventually(async () => {
      await send(server, '/api/code', { method: 'POST', headers: page, body: {} })
      expect(codes.length).toBe(4)
    }, limitMs)
  })
})
