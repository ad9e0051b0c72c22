import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Stage } from '../stage.ts'

/** Shows the origin of values; then a file is edited. */
export async function layers({ shop, shopOptions, screen, untilUpdated, promise }: Stage): Promise<void> {
  const { config } = shop
  screen.heading('Four layers: defaults < file < environment < config center')
  const winners = [
    'client.retry.backoffMs',
    'client.breaker.minimumCalls',
    'client.timeoutMs',
    'client.services.orders.timeoutMs',
  ].map((path) => {
    const { value, source, key, line, overrode } = config.explain(path)
    const place = [source, key, line && `line ${line}`].filter(Boolean).join(' ')
    screen.note([`${path} = ${value}, from ${place}`, ...overrode.map((origin) => `over ${origin.source}`)].join(', '))
    return source
  })
  promise('every layer contributes, later ones override earlier ones', new Set(winners).size === 4, winners.join(' < '))

  await untilUpdated(async () => {
    await writeFile(join(shopOptions.folder, 'shop.yaml'), 'client:\n  breaker: { minimumCalls: 30 }\n')
    screen.deed('shop.yaml is edited')
  })
  const minimum = config.current.client.breaker.minimumCalls
  promise('an edited file takes effect at once', minimum === 30, `minimumCalls ${minimum}`)
}
