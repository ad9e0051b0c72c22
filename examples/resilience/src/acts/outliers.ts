import type { Instance } from '../instance.ts'
import type { Stage } from '../stage.ts'
import { callShare, evenness } from '../tally.ts'
import { answeredText, percent } from '../text.ts'

/** Discovery ejects instances that keep failing. When too few are healthy it ignores ejections and uses all: a panic. */
export async function outliers(stage: Stage, instances: readonly Instance[]): Promise<void> {
  const { client, policies, witness, screen, beats, until } = stage
  const [first, ...others] = instances as [Instance, ...Instance[]]
  const { service, id } = first
  const isOut = (instanceId: string): boolean =>
    witness.ejections.findLast((event) => event.instanceId === instanceId)?.ejection !== undefined
  const isRestored = (instance: Instance): boolean => !isOut(instance.id)
  const isPanic = (): boolean => witness.panics.at(-1)?.isPanic === true

  screen.heading('Outlier detection: the cluster itself ejects failing instances, without a breaker')
  client.configureService(service, policies.budgetedRetries)
  let left = 0
  const ejected = await stage.measure('one is an outlier', instances, async () => {
    first.inject({ error: 503 })
    screen.deed(`${id} responds 503 from now on`)
    await until(() => isOut(id))
    left = evenness(await witness.during(() => beats(0.5)), id, instances.length)
    await beats(1)
  })
  const { tally } = ejected
  const share = `${percent(left)} of an even share after that, ${answeredText(tally)}`
  stage.promise('an outlier is ejected, and calls are not affected', left < 0.2 && callShare(tally, 'answered') >= 0.97, share)

  await stage.measure('three of five fail', instances, async () => {
    for (const instance of others.slice(0, 2)) instance.inject({ error: 503 })
    screen.deed(`two more instances of ${service} respond 503`)
    await until(isPanic)
    await beats(1)
  })
  const panic = witness.panics.find((event) => event.isPanic)
  stage.promise(
    'with too few healthy instances, all are used',
    panic !== undefined,
    `${percent(panic?.healthyShare ?? 1)} were healthy`,
  )

  const recovered = await stage.measure('they recover', instances, async () => {
    for (const instance of instances) instance.inject()
    screen.deed(`all instances of ${service} are healthy again`)
    await until(() => !isPanic() && instances.every(isRestored))
    await beats(1)
  })
  const isOver = !isPanic() && instances.every(isRestored)
  stage.promise('they are restored, and the panic ends', isOver, answeredText(recovered.tally))
}
