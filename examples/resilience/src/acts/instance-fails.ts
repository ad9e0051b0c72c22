import { formatExplanation } from '@sd/client'
import type { CircuitState } from '@sd/core'
import type { Instance } from '../instance.ts'
import { recoveryBeats } from '../policies.ts'
import type { Stage } from '../stage.ts'
import { callShare, evenness } from '../tally.ts'
import { answeredText, percent } from '../text.ts'

/** One instance responds 503 for a while: its breaker excludes it, retries recover its calls, and traffic returns gradually. */
export async function instanceFails(stage: Stage, instances: readonly Instance[]): Promise<void> {
  const { client, policies, witness, screen, beats, until } = stage
  const failingInstance = instances[1] as Instance
  const { service, id } = failingInstance
  const name = `${service}/${id}`
  const changes = (): string[] =>
    witness.breakers.filter(({ breaker }) => breaker === name).map(({ previous, state }) => `${previous} → ${state}`)
  const isNow = (state: CircuitState): boolean => witness.breakers.findLast(({ breaker }) => breaker === name)?.state === state

  screen.heading('One instance fails: a breaker for each instance, and retries')
  client.configureService(service, policies.instanceBreakers)
  const steady = await stage.measure('all are healthy', instances, () => beats(2))
  stage.promise(
    'while all are healthy, every call is answered',
    callShare(steady.tally, 'answered') === 1,
    answeredText(steady.tally),
  )

  const failing = await stage.measure('one fails', instances, async () => {
    failingInstance.inject({ error: 503 })
    screen.deed(`${id} responds 503 from now on`)
    await until(() => isNow('open'))
    await client.get(service, '/', {
      explain: (why) => screen.write(`\nExplanation of one call:\n${formatExplanation(why)}\n\n`),
    })
    await until(() => changes().includes('half-open → open'))
    await beats(1)
  })
  stage.promise(
    'while one fails, retries recover its calls',
    callShare(failing.tally, 'answered') >= 0.99,
    answeredText(failing.tally),
  )

  let late = 0
  const recovering = await stage.measure('it recovers', instances, async () => {
    failingInstance.inject()
    screen.deed(`${id} is healthy again`)
    await until(() => isNow('closed'))
    await beats(recoveryBeats)
    late = evenness(await witness.during(() => beats(1)), id, instances.length)
  })
  stage.promise(
    'when it recovers, calls are not affected',
    callShare(recovering.tally, 'answered') >= 0.99,
    answeredText(recovering.tally),
  )
  const wanted = ['closed → open', 'open → half-open', 'half-open → open', 'half-open → closed']
  stage.promise(
    'its breaker went through all states',
    wanted.every((change) => changes().includes(change)),
    changes().join(', '),
  )
  stage.promise('soon it has its share of the traffic again', late > 0.7, `${percent(late)} of an even share`)
}
