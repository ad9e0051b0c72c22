import type { Stage } from '../stage.ts'
import { answeredShare, percent } from '../tally.ts'

/** A service that fails now and then, and retries that are switched on. */
export async function retries({ operator, orders, screen, measure, untilUpdated, promise }: Stage): Promise<void> {
  screen.heading('More attempts, for one service')
  for (const instance of orders) instance.failureShare = 0.3
  screen.deed('orders answers 3 of 10 requests with 503 from now on')
  const once = await measure(2)
  // Both at once: an update is taken over as a whole.
  const retry = { maxAttempts: 5, budgetRatio: 2 }
  await untilUpdated(() => operator.set('client.services.orders.retry', retry, 'retries for orders'))
  const often = await measure(2)
  for (const instance of orders) instance.failureShare = 0
  const [before, after] = [answeredShare(once), answeredShare(often)]
  promise('more attempts mend calls', before < 0.85 && after > 0.95, `${percent(before)} → ${percent(after)} answered`)
}
