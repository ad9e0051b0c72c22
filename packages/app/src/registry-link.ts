import type { Registry } from '@sd/core'
import { sleep } from '@sd/core'
import { createRegistry, type RegistryConfig } from '@sd/registry'
import type { FailoverRegistry } from '@sd/registry-failover'

/** The registry of an application, which may be changed while it runs. */
export interface RegistryLink {
  /** For discovery and lifecycle; the same one for as long as the application runs. */
  readonly registry: Registry
  /** What is used now: `memory`, `consul`, … */
  readonly provider: string
  /**
   * Changes the provider. Instances of both are found, and this one is registered with both, until the overlap is over. Changes follow one another.
   *
   * @throws SdError if the new one can't be made; nothing has changed then
   */
  change(config: string): Promise<void>
  /** Closes what it made. */
  close(): Promise<void>
}

/** Where the registry comes from, and how long two are used at a change. */
export interface RegistryLinkOptions {
  readonly given: string | RegistryConfig | Registry | undefined
  /** Whether it may be changed: otherwise the registry itself is used. */
  readonly isFollowed: boolean
  readonly overlapMs: number
}

/** Makes or takes the registry. @throws SdError what `createRegistry` throws */
export async function openRegistry({ given, isFollowed, overlapMs }: RegistryLinkOptions): Promise<RegistryLink> {
  const ending = new AbortController()
  const isOwn = !isRegistry(given)
  const first = isRegistry(given) ? given : await makeRegistry(given)
  let current: { readonly url: unknown; readonly registry: Registry } = { url: given, registry: first }
  const failover = isFollowed ? await createFailover(first) : undefined
  /** Registries that it made and has not closed. */
  const made = new Set<Registry>(isOwn ? [first] : [])
  let changes: Promise<unknown> = Promise.resolve()

  async function replace(url: string): Promise<void> {
    if (!failover || current.url === url || ending.signal.aborted) return
    const before = current.registry
    const next = await createRegistry(url)
    made.add(next)
    await failover.reconfigure({ mode: 'migration', members: [{ registry: before }, { registry: next }] })
    current = { url, registry: next }
    await sleep(overlapMs, ending.signal).catch(() => undefined)
    if (ending.signal.aborted) return
    await failover.reconfigure({ mode: 'priority', members: [{ registry: next }] })
    if (made.delete(before)) await before.close()
  }

  return {
    registry: failover ?? first,
    get provider() {
      return current.registry.name
    },
    change(url) {
      const change = changes.then(() => replace(url))
      changes = change.catch(() => undefined)
      return change
    },
    async close() {
      ending.abort()
      await failover?.close()
      await changes
      await Promise.all([...made].map((one) => one.close()))
    },
  }
}

async function createFailover(registry: Registry): Promise<FailoverRegistry> {
  const { createFailoverRegistry } = await import('@sd/registry-failover')
  return createFailoverRegistry({ name: 'registry', members: [{ registry }], closeMembers: false })
}

async function makeRegistry(config: string | RegistryConfig | undefined): Promise<Registry> {
  if (config !== undefined) return createRegistry(config)
  process.emitWarning('No registry is given: instances are kept in the memory of this process, where no other one finds them', {
    type: 'SdWarning',
    code: 'SD_MEMORY_REGISTRY',
  })
  return (await import('@sd/registry-memory')).createMemoryRegistry()
}

function isRegistry(given: unknown): given is Registry {
  return typeof given === 'object' && given !== null && typeof (given as Partial<Registry>).register === 'function'
}
