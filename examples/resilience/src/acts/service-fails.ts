import type { Instance } from '../instance.ts'
import { recoveryBeats } from '../policies.ts'
import type { Stage } from '../stage.ts'
import { attemptCount, attemptRatio, callCount, callShare } from '../tally.ts'
import { attemptsText, percent } from '../text.ts'

/** All instances respond 503: retries cause a storm, the budget bounds them, the breaker of the service protects it, and a fallback answers. */
export async function serviceFails(stage: Stage, instances: readonly Instance[]): Promise<void> {
  const { client, policies, witness, screen, beats, until } = stage
  const service = instances[0]?.service ?? ''
  const isClosed = (): boolean => witness.breakers.findLast(({ breaker }) => breaker === service)?.state === 'closed'

  screen.heading('The whole service fails: retry budget, a breaker for the service, and a fallback')
  for (const instance of instances) instance.inject({ error: 503 })
  screen.deed(`all instances of ${service} respond 503 from now on; retries are unbounded`)
  client.configureService(service, policies.unboundedRetries)
  const storm = await stage.measure('all fail, retries', instances, () => beats(2))
  stage.promise('retries alone make an outage worse', attemptRatio(storm.tally) > 2.5, attemptsText(storm.tally))

  screen.deed('retries now use a budget: a fifth of the calls, and 10 a second')
  client.configureService(service, policies.budgetedRetries)
  const { tally, durationMs } = await stage.measure('all fail, budget', instances, () => beats(2))
  const most = callCount(tally) * 1.2 + Math.ceil(durationMs / 1_000) * 10
  const bound = `${attemptsText(tally)}; ${attemptCount(tally)} attempts, ${Math.floor(most)} allowed`
  stage.promise('the budget bounds them', attemptCount(tally) <= most, bound)

  screen.deed('the service gets a breaker and a fallback')
  client.configureService(service, policies.serviceBreaker)
  const spared = await stage.measure('all fail, breaker', instances, () => beats(4))
  stage.promise('the breaker protects the service', attemptRatio(spared.tally) < 0.6, attemptsText(spared.tally))
  const fallbacks = callShare(spared.tally, 'fallback')
  stage.promise('the fallback answers every call', fallbacks === 1, `${percent(fallbacks, 1)} by fallback`)

  let end = 0
  await stage.measure('all recover', instances, async () => {
    for (const instance of instances) instance.inject()
    screen.deed(`all instances of ${service} are healthy again`)
    await until(isClosed)
    await beats(recoveryBeats)
    end = callShare(await witness.during(() => beats(1)), 'answered')
  })
  stage.promise('when it recovers, calls are answered again', isClosed() && end >= 0.99, `${percent(end, 1)} answered in the end`)
}
