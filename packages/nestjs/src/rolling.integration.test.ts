import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createApp } from '@sd/app'
import { type ConsulServer, nodesToTest, obtainRuntime, obtainServer, startConstantLoad, startConsul } from '@sd/test-servers'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { adapters } from './testing/shop.ts'

// Processes of a Nest application are restarted one after the other by SIGTERM while they are called. Nothing repeats or hides a failed call.

const consul = await obtainServer('consul', { own: true })
const program = fileURLToPath(new URL('./testing/orders-process.ts', import.meta.url))
/** Calls per second. */
const rate = Number(process.env['SD_TEST_RATE'] ?? 300)
const instanceCount = 3
const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

describe.runIf(consul)('a rolling restart', () => {
  let server: ConsulServer
  beforeAll(async () => {
    if (consul) server = await startConsul(consul)
  }, 60_000)
  afterAll(() => server.close())

  const cases = nodesToTest().flatMap((runtime) => Object.keys(adapters).map((adapter) => [runtime, adapter] as const))

  test.each(cases)('on %s with %s loses no call', { timeout: 180_000 }, async (runtime, adapter) => {
    const node = await obtainRuntime(runtime)
    const registry = `consul://127.0.0.1:${server.port}`
    const caller = await createApp({ service: 'caller', registry, client: { retry: false, hedge: false, breaker: false } })
    const output: string[] = []

    const known = async (): Promise<number> => (await caller.registry.getInstances('orders')).instances.length
    /** Waits until as many instances are registered. */
    const untilKnown = (count: number): Promise<void> =>
      vi.waitFor(async () => expect(await known(), output.join('')).toBe(count), { timeout: 60_000 })

    function start(): ChildProcess {
      const child = spawn(node, [program], {
        env: { ...process.env, REGISTRY: registry, ADAPTER: adapter, DELAY_MS: '300' },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      children.add(child)
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => output.push(String(text)))
      return child
    }

    const first = Array.from({ length: instanceCount }, start)
    await untilKnown(instanceCount)
    await (await caller.client.get('orders', '/orders')).text()

    const used = new Set<string>()
    const load = startConstantLoad(rate, async (index) => {
      const response = await (index % 4 === 0
        ? caller.client.post('orders', '/orders', { json: { pieces: 1 } })
        : caller.client.get('orders', '/orders'))
      used.add(response.endpoint.instance.id)
      if ((await response.ensureOk().text()) !== 'done') throw new Error('another response')
    })
    const second: ChildProcess[] = []
    const exits: unknown[] = []
    async function stop(child: ChildProcess): Promise<void> {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      exits.push(await exited)
      children.delete(child)
    }
    for (const child of first) {
      await stop(child)
      second.push(start())
      await untilKnown(instanceCount)
    }
    // Every process has served, the newest one too.
    await vi.waitFor(() => expect(used.size).toBe(2 * instanceCount), { timeout: 20_000 })
    await load.stop()
    process.stdout.write(`${runtime}, ${adapter}: ${load.calls} calls, ${load.failures.length} lost\n`)
    await Promise.all(second.map(stop))
    expect(load.failures).toEqual([])
    // Nest sends itself the signal again once it has closed.
    expect(exits).toEqual(new Array(2 * instanceCount).fill([null, 'SIGTERM']))
    expect(output.join('').replaceAll(/^url .*\n/gm, '')).toBe('')
    await caller.close()
  })
})
