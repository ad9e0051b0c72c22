import type { Stage } from '../stage.ts'
import { percent, servedShare } from '../tally.ts'

/** Another balancer, while calls go on. */
export async function balancer({ operator, orders, screen, measure, untilUpdated, promise }: Stage): Promise<void> {
  const big = orders.at(-1)?.id ?? ''
  screen.heading('The balancer is changed: the weights of instances begin to count')
  const before = await measure(2)
  await untilUpdated(() => operator.set('client.balancer', 'weighted-round-robin', 'large machines shall do more'))
  const after = await measure(2)
  const [even, weighted] = [servedShare(before, big), servedShare(after, big)]
  const isSeen = Math.abs(even - 1 / 3) < 0.1 && Math.abs(weighted - 4 / 6) < 0.1
  promise('another balancer changes the shares', isSeen, `${big}, of weight 4 in 6: ${percent(even)} → ${percent(weighted)}`)
  const failed = before.failed + after.failed
  promise('no call is lost by that', failed === 0, `${failed} failed`)
}
