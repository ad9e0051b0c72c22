import { isConfigError } from '@sd/config'
import type { Stage } from '../stage.ts'

/** Pushes an invalid update, which is rejected as a whole; the last valid configuration stays in effect. */
export async function invalidValue({ shop, operator, reports, screen, measure, until, promise }: Stage): Promise<void> {
  const { config } = shop
  screen.heading('A broken push: one value is invalid, another one in the same text is valid')
  const { version, current } = config
  const good = await operator.read()
  const refusals = () => reports.filter((report) => report.kind === 'refused')

  const text = good.content.replace('"maxAttempts": 5', '"maxAttempts": "many"').replace('"timeoutMs": 3000', '"timeoutMs": 9000')
  await operator.write(text, 'as many attempts as possible')
  await until(() => refusals().length > 0)
  const error = refusals()[0]?.error
  const [failure] = isConfigError(error) ? error.failures : []
  const place = [failure?.source, failure?.key, failure?.line, failure?.field]
  const line = text.split('\n').findIndex((row) => row.includes('"many"')) + 1
  const isExact = place.join() === ['center', 'shop.json', line, 'client.services.orders.retry.maxAttempts'].join()
  promise('a rejection names source, key, line and field', isExact, `${place[0]} ${place[1]}:${place[2]} ${place[3]}`)

  await operator.write(good.content.slice(0, -20), 'a truncated text')
  await until(() => refusals().length > 1)
  const tally = await measure(1)
  const isSame = config.version === version && config.current === current
  promise(
    'nothing takes effect, and calls continue',
    isSame && tally.failed === 0,
    `still version ${config.version}, ${tally.failed} failed`,
  )

  await operator.write(good.content, 'revert')
  await until(() => config.status().refused.length === 0)
  const after = config.status().refused.length
  promise(
    'a valid text ends the rejection',
    after === 0 && config.version === version,
    `${after} sources rejected, still version ${version}`,
  )
}
