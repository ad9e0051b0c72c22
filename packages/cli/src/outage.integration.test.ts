import { createConsulRegistry } from '@sd/registry-consul'
import { obtainServer, startConsul } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { expect, test } from 'vitest'
import { startSdctl } from './testing/run-sdctl.ts'
import { expectSchema } from './testing/schemas.ts'

const patienceMs = 30_000
// It is killed.
const source = await obtainServer('consul', { own: true })

test.runIf(source)(
  'a watch keeps the last answer of a registry that ends, and says since when',
  { timeout: 120_000 },
  async () => {
    if (!source) return
    await using server = await startConsul(source)
    const url = `consul://127.0.0.1:${server.port}`
    const registry = createConsulRegistry({ servers: [`127.0.0.1:${server.port}`] })
    await registry.register({ service: 'orders', id: 'orders-0', address: '10.0.0.1', port: 80 })
    const interruption = new AbortController()
    const watch = (...argv: readonly string[]) =>
      startSdctl([...argv, '--watch', '--registry', url], { signal: interruption.signal })
    const json = watch('instances', 'orders', '--json')
    const pushed = watch('instances', 'orders')
    const repeated = watch('instance', 'orders', 'orders-0', '--interval', '50ms')
    const all = [json, pushed, repeated]
    for (const { out } of all) await eventually(() => expect(out()).toContain('orders-0'), patienceMs)
    await server.kill()
    await eventually(
      () => expect(pushed.out()).toMatch(/orders-0[\s\S]*The registry has not answered for \d+ s; this is its last answer\. /),
      patienceMs,
    )
    await eventually(() => expect(repeated.out()).toMatch(/This is the last answer\. The next one failed: /), patienceMs)
    await eventually(() => {
      const last = json.out().trimEnd().split('\n').at(-1) ?? ''
      expect(expectSchema(last)).toMatchObject({ instances: [{ id: 'orders-0' }], stale: { code: 'SD_UNAVAILABLE' } })
    }, patienceMs)
    interruption.abort()
    for (const { ended } of all) expect((await ended).code).toBe(0)
    await registry.close()
  },
)
