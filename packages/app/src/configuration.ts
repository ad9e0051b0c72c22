import { type Config, type ConfigSourceOptions, createConfig } from '@sd/config'
import { createEnvConfigSource } from '@sd/config-env'
import { createFileConfigSource } from '@sd/config-file'
import type { ConfigSource } from '@sd/core'
import { type AppConfigOptions, listOf } from './options.ts'

/** The configuration of an application, with the sources that it made or was given. */
export interface AppConfiguration {
  readonly config: Config
  /** Sources as a sentence says them, lowest first. */
  readonly layers: readonly string[]
  /** Closes the configuration, then its sources. */
  close(): Promise<void>
}

/**
 * Reads the configuration: defaults, files, the environment, centers.
 *
 * @throws SdError what `createConfig` throws; the sources are closed then
 */
export async function openConfiguration(service: string, options: AppConfigOptions): Promise<AppConfiguration> {
  const { file, env, center, settingsAt: _, ...rest } = options
  const prefix = env ?? `${service.replaceAll(/[^A-Za-z0-9]+/g, '_').toUpperCase()}_`
  const sources: (ConfigSource | ConfigSourceOptions)[] = []
  const layers = ['defaults']
  for (const [index, path] of listOf(file).entries()) {
    sources.push(createFileConfigSource({ path, optional: true, name: index === 0 ? 'file' : `file-${index + 1}` }))
    layers.push(`file ${path}`)
  }
  if (prefix !== false) {
    sources.push(createEnvConfigSource({ prefix, naming: 'camel', name: 'environment' }))
    layers.push(`environment ${prefix}*`)
  }
  for (const one of listOf(center)) {
    sources.push(one)
    layers.push(`center ${sourceOf(one).name}`)
  }

  async function closeSources(): Promise<void> {
    await Promise.all(sources.map((one) => sourceOf(one).close()))
  }
  try {
    const config = (await createConfig({ ...rest, sources })) as Config
    return {
      config,
      layers,
      async close() {
        await config.close()
        await closeSources()
      },
    }
  } catch (error) {
    await closeSources().catch(() => undefined)
    throw error
  }
}

function sourceOf(given: ConfigSource | ConfigSourceOptions): ConfigSource {
  return 'source' in given ? given.source : given
}
