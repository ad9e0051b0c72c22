import cluster from 'node:cluster'
import { get as httpGet } from 'node:http'
import type { ProcessSnapshot } from '@sd/admin'
import { startConstantLoad } from '@sd/test-servers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createEventLog } from './event-log.ts'
import { main } from './main.ts'
import { startAlone } from './process/alone.ts'
import { startParent } from './process/parent.ts'
import { compileCache, type LogLine, program, startServer, startService, writeTestFile } from './testing/server-process.ts'

/** Requests per second. */
const rate = 200

/** A connection that was refused: a load balancer would have used another gateway. */
function isRefused(failure: unknown): boolean {
  const { code, cause } = failure as NodeJS.ErrnoException
  return (code ?? (cause as NodeJS.ErrnoException | undefined)?.code) === 'ECONNREFUSED'
}

async function get(url: string): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${text}`)
  return text
}

/** On a connection of its own. */
function getOnce(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false }, (response) => {
      response.on('end', resolve).on('error', reject).resume()
    }).on('error', reject)
  })
}

function documentFor(port: number, path: string, more: string = ''): string {
  return `version: 1
registry: { type: static, instances: [{ service: orders, id: orders-1, address: 127.0.0.1, port: ${port} }] }
listeners: [{ name: edge, address: "127.0.0.1:0" }]
observe: { address: "127.0.0.1:0" }
drain: { propagationDelayMs: 1500 }
services: { orders: { timeoutMs: 20000 } }
routes:
  - { name: orders, match: { path: ${path} }, forward: { service: orders } }
${more}`
}

test('run serves, reloads by file and by signal, keeps the last valid document, and drains under load', {
  timeout: 120_000,
}, async () => {
  const { port } = await startService('orders')
  const file = await writeTestFile('gateway.yaml', documentFor(port, '/orders/*'))
  const gateway = await startServer(file.path)
  expect(await get(`${gateway.url}/orders/1?token=hunter2`)).toBe('orders /orders/1?token=hunter2')
  expect((await fetch(`${gateway.url}/carts/1`)).status).toBe(404)
  expect((await fetch(`${gateway.observe}/health/ready`)).status).toBe(200)

  const load = startConstantLoad(rate, (index) => get(`${gateway.url}/orders/${index}?delayMs=${index % 50}`))
  await file.replace(
    documentFor(port, '/orders/*', '  - { name: hello, match: { path: /hello }, respond: { status: 200, body: Hello } }'),
  )
  await gateway.until('applied')
  expect(await get(`${gateway.url}/hello`)).toBe('Hello')

  await file.replace(documentFor(port, '/orders/*', 'drian: {}'))
  const { message } = await gateway.until('refused')
  expect(message).toContain('gateway.yaml:9: drian is an unknown field, did you mean drain?')
  expect(await get(`${gateway.url}/hello`)).toBe('Hello')

  await file.replace(documentFor(port, '/orders/*'))
  gateway.child.kill('SIGHUP')
  await gateway.until('reloaded')
  expect((await fetch(`${gateway.url}/hello`)).status).toBe(404)

  const metrics = await get(`${gateway.observe}/metrics`)
  expect(metrics).toContain('sd_calls_total')

  gateway.child.kill('SIGTERM')
  await gateway.until('draining')
  expect((await fetch(`${gateway.observe}/health/ready`)).status).toBe(503)
  await load.stop()
  expect(await gateway.exited).toBe(0)
  expect(load.failures.filter((failure) => !isRefused(failure))).toEqual([])
  expect(load.calls).toBeGreaterThan(50)

  const served = gateway.accesses.filter(({ route }) => route === 'orders')
  expect(served.length).toBe(load.calls + 1 - load.failures.length)
  expect(served[0]).toMatchObject({
    method: 'GET',
    path: '/orders/1?token=***',
    status: 200,
    peer_service: 'orders',
    instance_id: 'orders-1',
    listener: 'edge',
  })
  expect(JSON.stringify(gateway.accesses)).not.toContain('hunter2')
})

/** The parent runs in this process, its workers are processes of their own. */
test('a worker that is killed is replaced, and workers drain under load', { timeout: 120_000 }, async () => {
  const { port } = await startService('orders')
  const file = await writeTestFile(
    'gateway.yaml',
    documentFor(port, '/orders/*', 'workers: 2').replace('observe: {', 'observe: { accessLog: "off",'),
  )
  const events: LogLine[] = []
  const log = createEventLog((line) => events.push(JSON.parse(line)))
  const until = (event: string, count: number = 1): Promise<unknown> =>
    vi.waitUntil(() => events.filter((line) => line.event === event).length >= count, 60_000)
  vi.stubEnv('NODE_COMPILE_CACHE', compileCache)
  onTestFinished(() => void vi.unstubAllEnvs())
  const observe = { address: '127.0.0.1:0', livePath: '/live', readyPath: '/ready', accessLog: 'off' } as const
  const gateway = await startParent({ exec: program, args: ['run', file.path], count: 2 }, observe, log)
  const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  const statusOf = async (path: string): Promise<number> => (await fetch(`${gateway.observe}${path}`)).status

  // Connections are made all the time: those that a worker has not accepted yet must survive its end.
  const killed = startConstantLoad(rate, (index) => getOnce(`${url}/orders/${index}`))
  await vi.waitUntil(async () => {
    const metrics = await get(`${gateway.observe}/metrics`)
    return ['1', '2'].every((worker) => new RegExp(`sd_calls_total\\{.*worker="${worker}".*\\}`).test(metrics))
  }, 20_000)
  Object.values(cluster.workers ?? {})[0]?.process.kill('SIGKILL')
  await until('worker')
  expect([await statusOf('/ready'), await statusOf('/live'), await statusOf('/')]).toEqual([200, 200, 404])
  await until('worker-restarted')
  await killed.stop()
  // What the killed process was handling has failed, but no connection was refused.
  expect(killed.failures.filter(isRefused)).toEqual([])

  gateway.reload()
  const drained = startConstantLoad(rate, (index) => get(`${url}/orders/${index}`))
  await vi.waitUntil(() => drained.calls > 20, 20_000)
  const closing = gateway.close('SIGTERM')
  expect(await statusOf('/ready')).toBe(503)
  await drained.stop()
  expect(drained.failures.filter((failure) => !isRefused(failure))).toEqual([])
  expect(await closing).toBe(true)
})

test('keys and limiters of the document are used, and the log has warnings and what happens to the document', async () => {
  const { port } = await startService('orders')
  const key = await writeTestFile('affinity.key', 'a secret of at least thirty-two characters\n')
  const content = (limit: number, more: string = ''): string => `version: 1
registry: { type: static, instances: [{ service: orders, address: 127.0.0.1, port: ${port} }] }
listeners: [{ name: edge, address: "127.0.0.1:0" }]
observe: { address: "127.0.0.1:0", accessLog: "off" }
drain: { propagationDelayMs: 0 }
affinityKeys: ["file:${key.path}"]
rateLimiters: { two: { limit: ${limit}, windowMs: 600000 } }
services: { orders: {}, carts: {} }
routes:
  - { name: all, forward: { service: orders }, affinity: { cookie: edge }, limits: { rate: { limiter: two } } }
${more}`
  const file = await writeTestFile('gateway.yaml', content(2))
  const lines: LogLine[] = []
  const until = (event: string): Promise<LogLine> => vi.waitUntil(() => lines.find((line) => line.event === event), 20_000)
  const log = createEventLog((line) => lines.push(JSON.parse(line)))
  const gateway = await startAlone(file.path, log, () => undefined, [])
  const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  const responses = [await fetch(url), await fetch(url), await fetch(url)]
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 429])
  expect(responses[0]?.headers.getSetCookie()[0]).toMatch(/^edge=/)
  expect(await until('warning')).toMatchObject({ message: 'gateway.yaml:8: services.carts is used by no route' })

  await file.replace(content(2, 'worker: 1'))
  expect(await until('refused')).toMatchObject({ level: 'error', code: 'SD_INVALID' })
  await file.replace(content(3, '  - { name: robots, match: { path: /robots.txt }, respond: { status: 204 } }'))
  await until('applied')
  await until('recovered')
  expect(await until('restart-needed')).toMatchObject({ fields: ['rateLimiters'] })
  expect((await fetch(`${url}/robots.txt`)).status).toBe(204)
  expect(await gateway.close('SIGTERM')).toBe(true)

  await file.replace(content(2).replace(key.path, '/nowhere/affinity.key'))
  await expect(startAlone(file.path, log, () => undefined, [])).rejects.toThrow('affinityKeys[0]')
})

test('signals of run: SIGHUP reads the document again, SIGTERM drains and exits', async () => {
  const { port } = await startService('orders')
  const { path } = await writeTestFile('gateway.yaml', documentFor(port, '/*').replace('1500', '0'))
  const signals = ['SIGHUP', 'SIGTERM', 'SIGINT'] as const
  const before = signals.map((signal) => process.listeners(signal))
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never)
  onTestFinished(() => {
    exit.mockRestore()
    for (const [index, signal] of signals.entries()) {
      for (const listener of process.listeners(signal)) if (!before[index]?.includes(listener)) process.off(signal, listener)
    }
  })
  let log = ''
  const code = await main(['run', path], {
    out: () => undefined,
    err(text) {
      log += text
    },
  })
  expect(code).toBe(0)
  process.emit('SIGHUP', 'SIGHUP')
  await vi.waitUntil(() => log.includes('"reloaded"'), 20_000)
  process.emit('SIGTERM', 'SIGTERM')
  await vi.waitUntil(() => exit.mock.calls.length > 0, 20_000)
  expect(exit).toHaveBeenCalledWith(0)
  expect(log).toContain('"event":"draining","signal":"SIGTERM"')
})

test('a document that is refused, and an address in use, end the program with a message and code 1', async () => {
  const { port } = await startService('orders')
  async function runDocument(content: string): Promise<string> {
    let err = ''
    const { path } = await writeTestFile('gateway.yaml', content)
    const code = await main(['run', path], {
      out: () => undefined,
      err(text) {
        err += text
      },
    })
    expect(code).toBe(1)
    return err
  }
  expect(await runDocument(documentFor(port, 'orders'))).toContain('gateway.yaml:8: routes[0].match.path got "orders"')
  expect(await runDocument(documentFor(port, '/*').replace('127.0.0.1:0', `127.0.0.1:${port}`))).toContain('EADDRINUSE')
  const observe = documentFor(port, '/*').replace('observe: { address: "127.0.0.1:0"', `observe: { address: "127.0.0.1:${port}"`)
  expect(await runDocument(observe.replace('1500', '0'))).toContain('observe.address')
})

test('the admin endpoint needs the token of its file, shows the process and changes nothing', async () => {
  const { port } = await startService('orders')
  const token = 'a-token-of-more-than-sixteen-characters'
  const secret = await writeTestFile('token', `${token}\n`)
  const more = `name: edge\nadmin: { address: "127.0.0.1:0", token: "file:${secret.path}" }`
  const file = await writeTestFile('gateway.yaml', documentFor(port, '/orders/*', more))
  const gateway = await startServer(file.path)
  await get(`${gateway.url}/orders/1`)
  const { url } = (await gateway.until('admin')) as LogLine & { readonly url: string }
  expect((await fetch(url)).status).toBe(401)
  const headers = { authorization: `Bearer ${token}` }
  const snapshot = (await (await fetch(`${url}/snapshot`, { headers })).json()) as ProcessSnapshot
  expect(snapshot).toMatchObject({
    info: { name: 'edge', pid: gateway.child.pid, controls: [] },
    gateways: [{ gateway: 'edge', routes: [{ route: 'orders', services: ['orders'] }] }],
  })
  expect(snapshot.edges.edges).toMatchObject([
    { service: 'orders', total: 1 },
    { instanceId: 'orders-1', total: 1 },
  ])
  expect((await fetch(`${url}/draining`, { method: 'POST', headers })).status).toBe(405)
})
