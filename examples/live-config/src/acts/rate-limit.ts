import type { Stage } from '../stage.ts'
import { callCount, percent } from '../tally.ts'

/** Adds a rate limit, and removes it with `null`. */
export async function rateLimit({ operator, screen, measure, untilUpdated, promise }: Stage): Promise<void> {
  const path = 'client.services.orders.rateLimit'
  screen.heading('A rate limit for one service, below its load')
  await untilUpdated(() => operator.set(path, { limit: 10, windowMs: 1_000 }, 'orders asks us to slow down'))
  const limited = await measure(2)
  const share = limited.refused / callCount(limited)
  promise('a rate limit rejects calls above it', share > 0.3, `${percent(share)} rejected`)

  await untilUpdated(() => operator.set(path, null, 'orders has grown'))
  const free = await measure(1)
  promise('without it no call is rejected', free.refused === 0, `${free.refused} rejected`)
}
