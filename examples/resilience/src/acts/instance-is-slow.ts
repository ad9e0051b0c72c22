import type { Instance } from '../instance.ts'
import type { Stage } from '../stage.ts'
import { percentileMs } from '../tally.ts'
import { attemptsText, p99Text } from '../text.ts'

/** One instance is healthy but slow: without a policy, with hedges, and with a latency-aware balancer. */
export async function instanceIsSlow(stage: Stage, instances: readonly Instance[]): Promise<void> {
  const { client, policies, screen, beats } = stage
  const slow = instances[2] as Instance
  const { service } = slow

  screen.heading('One instance is slow: hedges, and power of two choices')
  const delayMs = 500
  slow.inject({ delayMs })
  screen.deed(`${slow.id} takes ${delayMs} ms from now on; round robin ignores that`)
  client.configureService(service, policies.roundRobin)
  const plain = await stage.measure('one slow, round robin', instances, () => beats(3))

  screen.deed('hedges: a second attempt after 40 ms, the first response wins')
  client.configureService(service, policies.hedged)
  const hedged = await stage.measure('one slow, hedges', instances, () => beats(3))

  screen.deed('power of two choices: of two instances the faster one')
  client.configureService(service, policies.p2c)
  const p2c = await stage.measure('one slow, P2C', instances, () => beats(3))

  const half = percentileMs(plain.tally, 99) / 2
  const [without, withHedges, withP2c] = [plain, hedged, p2c].map(({ tally }) => p99Text(tally))
  const cost = attemptsText(hedged.tally)
  stage.promise('hedges halve p99', percentileMs(hedged.tally, 99) < half, `${without} → ${withHedges}, at ${cost}`)
  stage.promise('power of two choices halves p99', percentileMs(p2c.tally, 99) < half, `${without} → ${withP2c}`)
}
