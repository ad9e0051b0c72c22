import type { Stage } from '../stage.ts'

/** A breaker keeps its state while other settings change. */
export async function breaker({ shop, operator, prices, screen, until, untilUpdated, promise }: Stage): Promise<void> {
  const { client, config } = shop
  screen.heading('A breaker is open while settings change')
  for (const instance of prices) instance.failureShare = 1
  const isOpen = (): boolean => client.breaker('prices')?.state === 'open'
  // 40, because the file requires 30 calls before a breaker can open.
  for (let call = 0; call < 40 && !isOpen(); call++) {
    const response = await client.get('prices', '/').catch(() => undefined)
    await response?.text()
  }
  await until(isOpen)
  const opened = client.breaker('prices')
  screen.deed(`prices fails, and its breaker is ${opened?.state}`)

  await untilUpdated(() => operator.set('client.services.orders.timeoutMs', 3_000, 'orders may take longer'))
  const isSame = client.breaker('prices') === opened
  screen.note(`after a change for orders the breaker of prices is ${opened?.state}`)
  promise('a breaker with unchanged settings keeps its state', isSame && isOpen(), `breaker of prices: ${opened?.state}`)

  await untilUpdated(() => operator.set('client.services.prices.breaker', { openMs: 500 }, 'try prices sooner'))
  const renewed = client.breaker('prices')
  screen.note(`after a change of its own settings there is a new breaker: ${renewed?.state}`)
  const { openMs, minimumCalls } = { ...config.current.client.breaker, ...config.current.client.services['prices']?.breaker }
  promise(
    'a breaker with changed settings is replaced',
    renewed !== opened && !isOpen(),
    `openMs ${openMs}, minimumCalls still ${minimumCalls}`,
  )
  for (const instance of prices) instance.failureShare = 0
}
