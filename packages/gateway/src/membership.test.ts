import { startConstantLoad } from '@sd/test-servers'
import { expect, test, vi } from 'vitest'
import { openCaller, openShop, portOf, tableOf } from './testing/start-shop.ts'

test('no idempotent request fails while instances join, leave and are killed', { timeout: 60_000 }, async () => {
  const shop = openShop()
  const answered = new Set<string>()
  const start = (name: string) => shop.startInstance('orders', (_, response) => response.end(name))
  const [leaving, killed] = [await start('leaving'), await start('killed')]
  await start('staying')
  const gateway = await shop.startGateway(tableOf('orders'))
  const port = portOf(gateway)
  const caller = openCaller()
  const load = startConstantLoad(300, async () => {
    const { status, body } = await caller.get(port, '/orders')
    if (status !== 200) throw new Error(`${status}: ${body}`)
    answered.add(body)
  })
  await vi.waitUntil(() => answered.size === 3, { timeout: 20_000 })
  await start('joining')
  await vi.waitUntil(() => answered.has('joining'), { timeout: 20_000 })
  // The registry still lists it: its requests go to another instance.
  killed.kill()
  const before = load.calls
  await vi.waitUntil(() => load.calls > before + 200, { timeout: 20_000 })
  await killed.registration.deregister()
  await leaving.registration.deregister()
  await load.settled()
  leaving.kill()
  answered.clear()
  const after = load.calls
  await vi.waitUntil(() => load.calls > after + 200, { timeout: 20_000 })
  await load.stop()
  expect(load.failures).toEqual([])
  expect(answered).toEqual(new Set(['staying', 'joining']))
})
