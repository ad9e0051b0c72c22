import type { Stage } from '../stage.ts'
import { callCount, percent } from '../tally.ts'

/** A limit comes, and goes: `null` takes it away. */
export async function rateLimit({ operator, screen, measure, untilUpdated, promise }: Stage): Promise<void> {
  const path = 'client.services.orders.rateLimit'
  screen.heading('A rate limit for one service, below what it is called with')
  await untilUpdated(() => operator.set(path, { limit: 10, windowMs: 1_000 }, 'orders asks us to slow down'))
  const limited = await measure(2)
  const share = limited.refused / callCount(limited)
  promise('a rate limit refuses what is above it', share > 0.3, `${percent(share)} refused`)

  await untilUpdated(() => operator.set(path, null, 'orders has grown'))
  const free = await measure(1)
  promise('without it nothing is refused', free.refused === 0, `${free.refused} refused`)
}
