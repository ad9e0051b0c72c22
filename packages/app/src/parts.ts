import type { ServiceClient } from '@sd/client'
import type { HealthReporter } from '@sd/health'
import { type AppAdmin, openAdmin } from './admin-server.ts'
import { type Calling, createCalling } from './calling.ts'
import type { AppConfiguration } from './configuration.ts'
import { followSettings } from './follow-settings.ts'
import type { AppOptions, ResolvedAppOptions } from './options.ts'
import { openRegistry, type RegistryLink } from './registry-link.ts'

/** What an application is made of. */
export interface AppParts {
  readonly configuration: AppConfiguration | undefined
  readonly registry: RegistryLink
  readonly calling: Calling
  readonly reporter: HealthReporter | undefined
  readonly admin: AppAdmin | undefined
  /** Stops following the application's own settings. */
  readonly stopFollowing: () => void
}

/** Makes the parts in the order in which they need each other. What was made is closed if a later one fails. */
export async function makeParts(options: AppOptions, resolved: ResolvedAppOptions): Promise<AppParts> {
  const { config, settingsAt, onError } = resolved
  const undo: (() => unknown)[] = []
  try {
    // What an application does not use is not loaded: it would double the time of the start.
    const configuration = config && (await (await import('./configuration.ts')).openConfiguration(resolved.service, config))
    if (configuration) undo.push(() => configuration.close())
    const settings = settingsAt === undefined ? undefined : configuration?.config.get(settingsAt)
    const registry = await openRegistry({
      given: readRegistryUrl(settings) ?? options.registry,
      isFollowed: configuration !== undefined && settingsAt !== undefined,
      overlapMs: resolved.registryOverlapMs,
    })
    undo.push(() => registry.close())
    const calling = createCalling(options, resolved, registry.registry)
    undo.push(() => calling.close())
    const reporter = await openReporter(options, resolved, calling.client)
    if (reporter) undo.push(() => reporter.close())
    const admin = await openAdmin(options, { calling, configuration })
    if (admin) undo.push(() => admin.close())
    const stopFollowing =
      configuration && settingsAt !== undefined
        ? followSettings({ config: configuration.config, at: settingsAt, calling, registry, onError })
        : (): void => undefined
    return { configuration, registry, calling, reporter, admin, stopFollowing }
  } catch (error) {
    for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => undefined)
    throw error
  }
}

/** The reporter of health, if there is anything to check. */
async function openReporter(
  { health = [], needs = [] }: AppOptions,
  { onError }: ResolvedAppOptions,
  client: ServiceClient,
): Promise<HealthReporter | undefined> {
  if (health.length + needs.length === 0) return undefined
  const { createDependencyCheck, createHealthReporter } = await import('@sd/health')
  const checks = [...health, ...needs.map((service) => createDependencyCheck({ client, service }))]
  return createHealthReporter({ checks, onError })
}

function readRegistryUrl(settings: unknown): string | undefined {
  const url = (settings as { readonly registry?: unknown } | undefined)?.registry
  return typeof url === 'string' ? url : undefined
}
