import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createEventLog } from './event-log.ts'
import { main } from './main.ts'
import { createPartLoader } from './part-loader.ts'
import { startAlone } from './process/alone.ts'
import { environmentOf, type LogLine, program, writeTestFile } from './testing/server-process.ts'

function documentWith(filters: string, more: string = ''): string {
  return `version: 1
listeners: [{ name: edge, address: "127.0.0.1:0" }]
observe: { address: "127.0.0.1:0", accessLog: "off" }
drain: { propagationDelayMs: 0 }
routes:
  - name: all
    respond: { status: 200 }
    filters: [${filters}]
${more}`
}

async function check(document: string): Promise<string> {
  let text = ''
  const add = (line: string): void => {
    text += line
  }
  const { path } = await writeTestFile('gateway.yaml', document)
  await main(['check', path], { out: add, err: add })
  return text
}

/** Prints the packages of filters and protocols that the program loads. */
const printLoads = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module'
registerHooks({
  load(url, context, next) {
    const [, name] = /packages\\/(gateway-[a-z-]+)\\/src\\/index.ts$/.exec(url) ?? []
    if (name) console.log('loads ' + name)
    return next(url, context)
  },
})`)}`

async function loadedBy(document: string): Promise<readonly string[]> {
  const { path } = await writeTestFile('gateway.yaml', document)
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', printLoads, program, 'check', path], {
    env: environmentOf({}),
  })
  return [...stdout.matchAll(/^loads (.*)$/gm)].map(([, name = '']) => name).filter((name) => name !== 'gateway-document')
}

test('only the packages of filters and protocols that a document names are loaded', async () => {
  expect(await loadedBy(documentWith(''))).toEqual([])
  expect(await loadedBy(documentWith('{ filter: cors, origins: ["https://shop.example.com"] }'))).toEqual(['gateway-cors'])
  expect(await loadedBy(documentWith('', '  - { name: grpc, match: { protocol: grpc }, respond: { status: 200 } }'))).toEqual([
    'gateway-grpc',
  ])
})

test.each([
  [
    '{ filter: cors, origin: "https://a" }',
    'gateway.yaml:8: routes[0].filters[0].origin is an unknown field, did you mean origins?',
  ],
  ['{ filter: ip-access, allow: [10.0.0.0/33] }', 'gateway.yaml:8: routes[0].filters[0].allow[0] got "10.0.0.0/33"'],
  ['{ filter: cache, zones: a }', 'gateway.yaml:8: routes[0].filters[0].zones is an unknown field, did you mean zone?'],
  ['{ filter: auth-forward, url: "ftp://a" }', 'gateway.yaml:8: routes[0].filters[0].url got "another text"'],
  ['{ filter: auth-jwt, issuer: a, audience: b }', 'gateway.yaml:8: routes[0].filters[0]'],
  ['{ filter: fault-injection, rules: [{ share: 2 }] }', 'gateway.yaml:8: routes[0].filters[0].rules[0].share got 2'],
  ['{ filter: rate-limit, limits: [{ limiter: each }] }', 'gateway.yaml:8: routes[0].filters[0].limits[0].limiter got "each"'],
  ['{ filter: compress, minBytes: -1 }', 'gateway.yaml:8: routes[0].filters[0].minBytes got -1'],
])('check finds the wrong option in %s', async (filters, problem) => {
  expect(await check(documentWith(filters))).toContain(problem)
})

test('check finds the wrong option of a protocol', async () => {
  const route = '  - { name: grpc, match: { protocol: grpc }, options: { healthy: {} }, respond: { status: 200 } }'
  const problem = 'gateway.yaml:9: routes[1].options.healthy is an unknown field, did you mean health?'
  expect(await check(documentWith('', route))).toContain(problem)
})

test('every filter and protocol of the program has a package', async () => {
  const { filters, load } = createPartLoader('gateway.yaml')
  const { protocols = [] } = await load({
    filters: Object.keys(filters),
    protocols: ['grpc', 'websocket'],
    rateLimiters: [],
    plugins: [],
  })
  expect(protocols.map(({ name }) => name)).toEqual(['grpc', 'websocket'])
  expect(Object.keys(filters)).toContain('rate-limit')
})

/** Calls the health service of gRPC. @returns the message, and the status */
async function checkHealth(url: string): Promise<readonly [message: string, status: unknown]> {
  const session = connect(url)
  const headers = {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
  }
  const stream = session.request(headers)
  stream.end(Buffer.alloc(5))
  let status: unknown
  stream.on('trailers', (trailers) => {
    status = trailers['grpc-status']
  })
  const chunks = await stream.toArray()
  session.close()
  return [Buffer.concat(chunks).toString('hex'), status]
}

test('a protocol is loaded by a reload that needs it, and uses discovery', { timeout: 60_000 }, async () => {
  const file = await writeTestFile('gateway.yaml', documentWith(''))
  const log = createEventLog(() => undefined)
  const gateway = await startAlone(file.path, log, () => undefined, [])
  const route =
    '  - { name: carts, match: { protocol: grpc }, options: { health: { shop.Carts: carts } }, forward: { service: carts } }'
  await file.replace(documentWith('', route))
  const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  // NOT_SERVING: there is no instance.
  await vi.waitUntil(async () => (await checkHealth(url))[1] === '0', 20_000)
  expect(await checkHealth(url)).toEqual(['00000000020802', '0'])
  expect(await gateway.close('SIGTERM')).toBe(true)
})

const plugin = `export const filters = {
  hello: ({ text }) => {
    if (typeof text !== 'string') throw new TypeError('no text')
    return { onRequest: () => ({ status: 200, body: text }) }
  },
}
`

test('filters are loaded by a reload that needs them, also those of plugins', { timeout: 60_000 }, async () => {
  const module = await writeTestFile('hello.mjs', plugin)
  const file = await writeTestFile('gateway.yaml', documentWith(''))
  const lines: LogLine[] = []
  const log = createEventLog((line) => lines.push(JSON.parse(line)))
  const applied = (count: number): Promise<boolean> =>
    vi.waitUntil(() => lines.filter(({ event }) => event === 'applied').length === count, 20_000)
  const gateway = await startAlone(file.path, log, () => undefined, [])
  const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  const origin = 'https://shop.example.com'

  await file.replace(documentWith(`{ filter: cors, origins: ["${origin}"] }`))
  await applied(1)
  expect((await fetch(url, { headers: { origin } })).headers.get('access-control-allow-origin')).toBe(origin)

  await file.replace(documentWith('{ filter: hello, text: Hello }', `plugins: ["${module.path}"]`))
  await applied(2)
  expect(await (await fetch(url)).text()).toBe('Hello')

  await file.replace(documentWith('{ filter: hello, text: Hello }'))
  const { message } = await vi.waitUntil(() => lines.find(({ event }) => event === 'refused'), 20_000)
  expect(message).toContain('gateway.yaml:8: routes[0].filters[0].filter got "hello", want one of')
  expect(await (await fetch(url)).text()).toBe('Hello')
  expect(await gateway.close('SIGTERM')).toBe(true)
})

test('a filter asks a service with the settings that the document has for it, also after a reload', async () => {
  const login = createServer(({ headers }, response) => response.writeHead(headers['x-edge'] === '1' ? 200 : 403).end())
  await once(login.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void login.close().closeAllConnections())
  const { port } = login.address() as AddressInfo
  const documentFor = (value: string): string =>
    documentWith(
      '{ filter: auth-forward, url: "service://login/check" }',
      `registry: { type: static, instances: [{ service: login, id: login-1, address: 127.0.0.1, port: ${port} }] }
services: { login: { headers: { x-edge: "${value}" } } }`,
    )
  expect(await check(documentFor('1'))).toContain('0 problems, 0 warnings')
  const file = await writeTestFile('gateway.yaml', documentFor('1'))
  const log = createEventLog(() => undefined)
  const gateway = await startAlone(file.path, log, () => undefined, [])
  const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  expect((await fetch(url)).status).toBe(200)
  await file.replace(documentFor('2'))
  await vi.waitUntil(async () => (await fetch(url)).status === 403, 20_000)
  expect(await gateway.close('SIGTERM')).toBe(true)
})

test.each([
  ['a module that is missing', undefined, 'plugins[0] got "./plugin.mjs", want a module that can be loaded: Cannot find'],
  ['a module with other exports', 'export const filter = {}', 'plugins[0].filter is an unknown field, did you mean filters?'],
  ['a filter that is not a function', 'export const filters = { hello: 1 }', 'plugins[0].filters.hello got 1, want a function'],
  ['a filter of the program', 'export const filters = { cors: () => ({}) }', 'plugins[0] got "a filter cors"'],
  ['protocols in no array', 'export const protocols = {}', 'plugins[0].protocols got a value of type object, want an array'],
])('%s is a problem of the document', async (_, content, problem) => {
  const path = content === undefined ? './plugin.mjs' : (await writeTestFile('plugin.mjs', content)).path
  const text = await check(documentWith('', `plugins: ["${path}"]`))
  expect(text.replaceAll(path, './plugin.mjs')).toContain(problem)
})
