import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type EtcdServer, freePort, obtainServer, startEtcd } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FilePairs, readAddedLines } from './added-lines.ts'
import { type Program, startProgram } from './start-program.ts'

/** An example: the service `orders` of the shop, before and after its adoption. */
export interface Example {
  /** The files of `orders`, before and after. */
  readonly files: FilePairs
  /** Most lines that the adoption may add. */
  readonly mostLines: number
  /** The same without metrics and live values. @default not checked */
  readonly mostLinesWithoutExtras?: number
  /** The command that runs the app as it was, such as `[node, 'before.ts']`. It takes the environment variables PORT, STOCK and PRICES. */
  readonly before: readonly string[]
  /** The command that runs all services in one process. It takes PORT. */
  readonly main: readonly string[]
  /** The command that runs `orders` alone. It takes PORT and REGISTRY. */
  readonly orders: readonly string[]
  /** Runs the other services. @default this Node.js */
  readonly runtime?: string
}

/** How long a program may take to get somewhere, in milliseconds. */
const patienceMs = 20_000

/** Tests an example: its lines, the app before, all services in one process, and each in a process of its own on etcd. */
export async function testExample(example: Example): Promise<void> {
  const etcd = await obtainServer('etcd', { own: true })
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sd-example-'))
    await writeFile(join(folder, 'orders.yaml'), 'currency: EUR\n')
  })
  afterAll(() => rm(folder, { recursive: true }))

  function start(command: readonly string[], env: Readonly<Record<string, string>>): Program {
    return startProgram({ command, cwd: folder, env })
  }

  test(`adopting took at most ${example.mostLines} lines`, async () => {
    const { all, withoutExtras } = await readAddedLines(example.files)
    process.stdout.write(`${all.length} lines, ${withoutExtras.length} without metrics and live values\n`)
    expect(all.length, all.join('\n')).toBeLessThanOrEqual(example.mostLines)
    if (example.mostLinesWithoutExtras === undefined) return
    expect(withoutExtras.length, withoutExtras.join('\n')).toBeLessThanOrEqual(example.mostLinesWithoutExtras)
  })

  test('before, it calls two addresses', { timeout: 60_000 }, async () => {
    const server = createServer((request, response) => {
      response.end(request.url === '/stock/7' ? '{ "pieces": 3 }' : request.url === '/prices/7' ? '{ "amount": 8 }' : '')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const port = await freePort()
    await using program = start(example.before, { PORT: String(port), STOCK: url, PRICES: url })
    await untilOrder(program, port, '8 EUR')
    server.closeAllConnections()
    server.close()
  })

  test('after, all services run in one process', { timeout: 60_000 }, async () => {
    const port = await freePort()
    await using program = start(example.main, { PORT: String(port), REGISTRY: '' })
    await checkApp(program, port, folder)
  })

  describe.runIf(etcd)('on a registry by URL', () => {
    let server: EtcdServer
    beforeAll(async () => {
      if (etcd) server = await startEtcd(etcd)
    })
    afterAll(() => server.close())

    test('each service is a process', { timeout: 90_000 }, async () => {
      const env = { REGISTRY: `etcd://127.0.0.1:${server.port}` }
      const runtime = example.runtime ?? process.execPath
      const service = (file: string): Program =>
        start([runtime, fileURLToPath(new URL(`../${file}`, import.meta.url))], { ...env, PORT: '0' })
      await using stock = service('stock.ts')
      await using prices = service('prices.ts')
      const port = await freePort()
      await using orders = start(example.orders, { ...env, PORT: String(port) })
      await checkApp(orders, port, folder)
      expect(await Promise.all([stock.stop(), prices.stop()])).toEqual([0, 0])
      expect(stock.errors() + prices.errors()).toBe('')
    })
  })
}

/** What the adoption gives: readiness, calls by name, live values, metrics, and an orderly end. */
async function checkApp(program: Program, port: number, folder: string): Promise<void> {
  await writeFile(join(folder, 'orders.yaml'), 'currency: EUR\n')
  await untilOrder(program, port, '8 EUR')
  await eventually(async () => {
    const ready = await fetch(`http://127.0.0.1:${port}/health/ready`)
    expect(await ready.json()).toEqual({ status: 'ok', checks: { 'calls stock': 'healthy', 'calls prices': 'healthy' } })
  }, patienceMs)
  await writeFile(join(folder, 'orders.yaml'), 'currency: CHF\n')
  await untilOrder(program, port, '8 CHF')
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  expect(metrics).toContain('sd_calls_total{service="stock",method="GET",status="200"}')
  expect(metrics).toContain('sd_calls_total{service="prices",method="GET",status="200"}')
  expect(await program.stop()).toBe(0)
  expect(program.errors()).toBe('')
}

/** Waits until the app responds with this price. */
async function untilOrder(program: Program, port: number, price: string): Promise<void> {
  await eventually(async () => {
    const found = await fetch(`http://127.0.0.1:${port}/orders/7`).then(
      (response) => response.json() as Promise<unknown>,
      (error: Error) => error.message,
    )
    expect(found, program.errors()).toEqual({ id: '7', pieces: 3, price })
  }, patienceMs)
}
