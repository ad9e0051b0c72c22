import { cp, rm } from 'node:fs/promises'
import { createMemoryConfigSource } from '@sd/config'
import { startShop } from '../shop.ts'
import type { Stage } from '../stage.ts'

/** Disconnects and reconnects the config center; an instance starts in between. */
export async function outage(stage: Stage): Promise<void> {
  const { shop, shopOptions, center, operator, screen, measure, until, untilUpdated, promise } = stage
  const { config } = shop
  const isStale = (): boolean => config.status().stale.some(({ source }) => source === 'center')
  screen.heading('The config center becomes unreachable')
  center.setConnected(false)
  screen.deed('the config center is disconnected')
  await until(isStale)
  const { balancer } = config.current.client
  await operator.set('client.balancer', 'p2c', 'the shop cannot see this yet')
  const tally = await measure(2)
  const isSame = isStale() && config.current.client.balancer === balancer
  promise('without the center, reads and calls continue', isSame && tally.failed === 0, `stale, ${tally.failed} calls failed`)

  const folder = `${shopOptions.folder}-second`
  await cp(shopOptions.folder, folder, { recursive: true })
  const unreachable = createMemoryConfigSource({ name: 'center' })
  unreachable.setConnected(false)
  const second = await startShop({ ...shopOptions, center: unreachable, folder, onReport: () => {} })
  const { stale } = second.config.status()
  const isAlike = JSON.stringify(second.config.current) === JSON.stringify(config.current)
  screen.note(`another instance starts from its snapshot on disk; ${stale.map(({ source }) => source).join()} is stale there`)
  promise(
    'an instance starts without the center',
    isAlike && stale[0]?.isSnapshot === true,
    'the same configuration, from its snapshot',
  )
  await second.close()
  await rm(folder, { recursive: true })

  await untilUpdated(async () => {
    center.setConnected(true)
    screen.deed('the config center is reconnected')
  })
  await until(() => !isStale())
  const now = config.current.client.balancer
  promise('after reconnection, missed changes take effect', !isStale() && now === 'p2c', `${balancer} → ${now}`)
}
