import type { Stage } from '../stage.ts'
import { percent, servedShare } from '../tally.ts'

/** Changes the balancer while calls continue. */
export async function balancer({ operator, orders, screen, measure, untilUpdated, promise }: Stage): Promise<void> {
  const big = orders.at(-1)?.id ?? ''
  screen.heading('The balancer is changed: the weights of instances take effect')
  const before = await measure(2)
  await untilUpdated(() => operator.set('client.balancer', 'weighted-round-robin', 'more load for large machines'))
  const after = await measure(2)
  const [even, weighted] = [servedShare(before, big), servedShare(after, big)]
  const isSeen = Math.abs(even - 1 / 3) < 0.1 && Math.abs(weighted - 4 / 6) < 0.1
  promise('another balancer changes the shares', isSeen, `${big}, of weight 4 in 6: ${percent(even)} → ${percent(weighted)}`)
  const failed = before.failed + after.failed
  promise('no call fails because of that', failed === 0, `${failed} failed`)
}
