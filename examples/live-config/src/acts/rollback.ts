import type { Stage } from '../stage.ts'

/** Who changed what, and the way back. */
export async function rollback(stage: Stage): Promise<void> {
  const { shop, operator, screen, measure, untilUpdated, promise } = stage
  const { history } = operator
  screen.heading('Who changed what, and back')
  const versions = (await history.list()).toReversed()
  for (const { version, change, author = '?', comment = '' } of versions) {
    const earlier = versions.find((candidate) => candidate.version === version - 1)
    // A text that is no JSON has no structured diff.
    const changes = earlier ? await history.diff(earlier.version, version).catch(() => []) : []
    const news = changes.filter(({ kind }) => kind !== 'removed')
    const what = news.map(({ path, after }) => `${path} = ${JSON.stringify(after).slice(0, 40)}`).join(', ')
    screen.write(`${String(version).padStart(5)}  ${change.padEnd(8)}  ${author}  ${comment}${what && `: ${what}`}\n`)
  }
  const external = versions.filter(({ change }) => change === 'external')
  promise('what goes past the history is found', external.length > 0, `${external.length} external, by ${external[0]?.author}`)

  // Not further back: what is older is encrypted with the key that is gone.
  const steady = versions[versions.findIndex(({ change }) => change === 'external') - 1]
  await untilUpdated(() => history.rollback(steady?.version ?? 1, { comment: 'back to what worked' }))
  const [last] = await history.list()
  const isSame = last?.change === 'rollback' && last.content === steady?.content
  promise(
    'a rollback brings a version back, byte for byte',
    isSame,
    `version ${last?.version} has the content of ${steady?.version}`,
  )
  const { isValid, records } = await history.verify()
  promise('the audit trail is whole', isValid, `${records} records`)
  const { balancer, timeoutMs } = shop.config.current.client
  const tally = await measure(1)
  const isBack = balancer === 'weighted-round-robin' && timeoutMs !== 700
  promise('the client follows it', isBack && tally.failed === 0, `${balancer}, timeoutMs ${timeoutMs}, ${tally.failed} failed`)
}
