import type { Stage } from '../stage.ts'
import { answeredShare, percent } from '../tally.ts'

/** Enables retries for a service that fails sometimes. */
export async function retries({ operator, orders, screen, measure, untilUpdated, promise }: Stage): Promise<void> {
  screen.heading('More attempts, for one service')
  for (const instance of orders) instance.failureShare = 0.3
  screen.deed('orders responds 503 to 3 of 10 requests from now on')
  const once = await measure(2)
  // Both at once: an update takes effect as a whole.
  const retry = { maxAttempts: 5, budgetRatio: 2 }
  await untilUpdated(() => operator.set('client.services.orders.retry', retry, 'retries for orders'))
  const often = await measure(2)
  for (const instance of orders) instance.failureShare = 0
  const [before, after] = [answeredShare(once), answeredShare(often)]
  promise('more attempts recover calls', before < 0.85 && after > 0.95, `${percent(before)} → ${percent(after)} answered`)
}
