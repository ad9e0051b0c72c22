import { join } from 'node:path'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { type Config, type ConfigReport, createConfig } from '@sd/config'
import { createDecrypter, createFileKeyring } from '@sd/config-crypto'
import { createEnvConfigSource } from '@sd/config-env'
import { createFileConfigSource } from '@sd/config-file'
import type { ConfigSource, Discoverer } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createClientSettingsMapper } from './client-settings.ts'
import { type ShopConfig, shopDefaults, shopSchema } from './schema.ts'

/** The configured program. */
export interface Shop {
  /** The configuration. */
  readonly config: Config<ShopConfig>
  /** The client, which follows the configuration. */
  readonly client: ServiceClient
  /** Closes everything. */
  close(): Promise<void>
}

/** Options of a shop. */
export interface ShopOptions {
  /** Registry of the services. */
  readonly registry: Discoverer
  /** The config center; the shop closes it. */
  readonly center: ConfigSource
  /** Folder with `shop.yaml` and `keys`, and for the snapshot. */
  readonly folder: string
  /** Environment variables; those that start with `SHOP_` are used. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Receives the reports of the configuration. */
  readonly onReport?: (report: ConfigReport) => void
}

/** Starts a shop: reads its configuration, and applies it to a client now and after every change. */
export async function startShop({ registry, center, folder, environment, onReport = () => {} }: ShopOptions): Promise<Shop> {
  const file = createFileConfigSource({ path: join(folder, 'shop.yaml'), name: 'file' })
  const variables = createEnvConfigSource({ prefix: 'SHOP_', env: environment, name: 'environment' })
  const keys = createFileKeyring({ path: join(folder, 'keys'), recheckMs: 0 })
  const sources = [file, variables, center]

  const config = await createConfig({
    sources,
    schema: shopSchema,
    defaults: shopDefaults,
    decrypt: createDecrypter({ keys }),
    snapshot: { path: join(folder, 'snapshot.json'), waitMs: 500 },
    onReport,
  })

  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const mapper = createClientSettingsMapper()
  client.configure(mapper.toClientSettings(config.current.client))
  config.onChange('client', ({ value }) => client.configure(mapper.toClientSettings(value)))

  return {
    config,
    client,
    async close() {
      await client.close()
      await mapper.close()
      await discovery.close()
      await config.close()
      await Promise.all(sources.map((source) => source.close()))
      keys.close()
    },
  }
}
