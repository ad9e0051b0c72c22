import type { Stage } from '../stage.ts'

/** Shows the history, and restores a version. */
export async function rollback(stage: Stage): Promise<void> {
  const { shop, operator, screen, measure, untilUpdated, promise } = stage
  const { history } = operator
  screen.heading('History and rollback')
  const versions = (await history.list()).toReversed()
  for (const { version, change, author = '?', comment = '' } of versions) {
    const earlier = versions.find((candidate) => candidate.version === version - 1)
    // A text that is not JSON has no structured diff.
    const changes = earlier ? await history.diff(earlier.version, version).catch(() => []) : []
    const news = changes.filter(({ kind }) => kind !== 'removed')
    const what = news.map(({ path, after }) => `${path} = ${JSON.stringify(after).slice(0, 40)}`).join(', ')
    screen.write(`${String(version).padStart(5)}  ${change.padEnd(8)}  ${author}  ${comment}${what && `: ${what}`}\n`)
  }
  const external = versions.filter(({ change }) => change === 'external')
  promise(
    'changes outside the history are detected',
    external.length > 0,
    `${external.length} external, by ${external[0]?.author}`,
  )

  // Not further back: older versions are encrypted with the removed key.
  const steady = versions[versions.findIndex(({ change }) => change === 'external') - 1]
  await untilUpdated(() => history.rollback(steady?.version ?? 1, { comment: 'back to a working version' }))
  const [last] = await history.list()
  const isSame = last?.change === 'rollback' && last.content === steady?.content
  promise(
    'a rollback restores a version, byte for byte',
    isSame,
    `version ${last?.version} has the content of ${steady?.version}`,
  )
  const { isValid, records } = await history.verify()
  promise('the audit trail is intact', isValid, `${records} records`)
  const { balancer, timeoutMs } = shop.config.current.client
  const tally = await measure(1)
  const isRestored = balancer === 'weighted-round-robin' && timeoutMs !== 700
  promise(
    'the client follows it',
    isRestored && tally.failed === 0,
    `${balancer}, timeoutMs ${timeoutMs}, ${tally.failed} failed`,
  )
}
