import { hostname, userInfo } from 'node:os'
import type { ConfigHistory } from '@sd/config-history'
import {
  abortError,
  type ConfigSource,
  invalidError,
  type Lock,
  type ReadOnlyRegistry,
  type Registry,
  type WritableConfigSource,
} from '@sd/core'
import type { Fleet } from '@sd/fleet'
import type { CliOptions } from './cli-options.ts'
import { createTokenReader } from './contexts/admin-token.ts'
import { chooseContext, chooseTarget, chooseUrl, type TargetChoice } from './contexts/target.ts'

/** Time limit of one question to a process, in milliseconds: a command asks once, so it can wait longer than a page. */
const requestTimeoutMs = 3_000

/** Part of a fleet that changes nothing. */
export type FleetReader = Pick<Fleet, 'model' | 'refresh' | 'watch' | 'explain' | 'history' | 'ask'>

/** Part of a history that changes nothing. Its `list` would record changes from elsewhere unless `sync` is `false`. */
export interface HistoryReader extends Pick<ConfigHistory, 'get' | 'diff' | 'diffText' | 'verify'> {
  list(options: { readonly signal: AbortSignal }): ReturnType<ConfigHistory['list']>
}

/** Part of a lock that changes nothing. */
export type LockReader = Pick<Lock, 'name' | 'capabilities' | 'holder' | 'watchHolder' | 'list'>

/** What a command opens; each at most once. */
export interface Backends {
  /** @param url that of the target by default */
  openSource(url: string | undefined, signal: AbortSignal): Promise<ReadOnlyRegistry>
  openRegistry(signal: AbortSignal): Promise<Registry>
  openConfig(signal: AbortSignal): Promise<ConfigSource>
  openWritableConfig(signal: AbortSignal): Promise<WritableConfigSource>
  openHistory(key: string, signal: AbortSignal): Promise<ConfigHistory>
  openLock(signal: AbortSignal): Promise<Lock>
  openFleet(options: FleetChoice, signal: AbortSignal): Promise<Fleet>
  /** Closes everything that was opened. */
  close(): Promise<void>
}

/** How a fleet is read. */
export interface FleetChoice {
  /** Addresses of admin endpoints that no registry lists. */
  readonly processes: readonly string[]
  /** Networks that may be asked besides the usual ones. */
  readonly networks: readonly string[]
  readonly intervalMs: number
}

/** Creates the backends of one command. Their packages are loaded when they are opened. */
export function createBackends(options: CliOptions, choice: TargetChoice): Backends {
  const { env, registryTypes = {}, configTypes = {}, historyStore, lockTypes = {} } = options
  const opened = new Set<{ close(): Promise<void> }>()
  /** By kind and place: a look of a watch uses what the one before has opened. */
  const known = new Map<string, Promise<{ close(): Promise<void> }>>()

  function open<One extends { close(): Promise<void> }>(
    name: string,
    signal: AbortSignal,
    make: () => Promise<One>,
  ): Promise<One> {
    const before = known.get(name) as Promise<One> | undefined
    const opening = before ?? make().then((one) => keep(one, signal))
    known.set(name, opening)
    return opening
  }

  async function keep<One extends { close(): Promise<void> }>(one: One, signal: AbortSignal): Promise<One> {
    opened.add(one)
    // Its command has ended while the package was loaded.
    if (!signal.aborted) return one
    await one.close()
    throw abortError(signal, 'Opening a backend')
  }

  async function openSource(url: string | undefined, signal: AbortSignal): Promise<ReadOnlyRegistry> {
    const registry = url ?? (await chooseTarget(choice)).registry
    return open(`source ${registry}`, signal, async () => {
      const { createDiscoverySource } = await import('@sd/registry')
      return createDiscoverySource(registry, { types: registryTypes })
    })
  }

  return {
    openSource,
    openRegistry: (signal) =>
      open('registry', signal, async () => {
        const { registry } = await chooseTarget(choice)
        const { createRegistry } = await import('@sd/registry')
        return createRegistry(registry, { types: registryTypes })
      }),
    openConfig: (signal) =>
      open('config', signal, async () => {
        const url = await chooseUrl('config', choice)
        const { createConfigSource } = await import('@sd/config-center')
        return createConfigSource(url, { types: configTypes })
      }),
    openWritableConfig: (signal) =>
      open('writable config', signal, async () => {
        const url = await chooseUrl('config', choice)
        const { createWritableConfigSource } = await import('@sd/config-center')
        return createWritableConfigSource(url, { types: configTypes })
      }),
    async openHistory(key, signal) {
      const { history } = await open(`history ${key}`, signal, async () => {
        const url = await chooseUrl('config', choice)
        const { openConfigHistory } = await import('@sd/config-center')
        const store = historyStore?.(key)
        return openConfigHistory(url, { key, author: authorOf(env), types: configTypes, ...(store && { store }) })
      })
      return history
    },
    openLock: (signal) =>
      open('lock', signal, async () => {
        const url = await chooseUrl('lock', choice)
        const { createLock } = await import('@sd/lock')
        return createLock(url, { types: lockTypes })
      }),
    openFleet: ({ processes, networks, intervalMs }, signal) =>
      open('fleet', signal, async () => {
        const source = await openSource(undefined, signal)
        const { label } = await chooseTarget(choice)
        const { createFleet, DEFAULT_NETWORKS } = await import('@sd/fleet')
        const program = (await chooseContext(choice))?.adminToken
        return (options.createFleet ?? createFleet)({
          source,
          url: label,
          processes,
          token: createTokenReader(program, env),
          intervalMs,
          allowedNetworks: [...DEFAULT_NETWORKS, ...networks],
          requestTimeoutMs,
          // The model has them.
          onError: () => undefined,
        })
      }),
    async close() {
      // A fleet before its registry.
      for (const one of [...opened].reverse()) await one.close().catch(() => undefined)
    },
  }
}

/** The author of a change, for histories: the user. */
export function authorOf(env: Readonly<Record<string, string | undefined>>): string {
  return env['SD_AUTHOR'] || env['USER'] || env['LOGNAME'] || systemUser()
}

function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    // A container may have a user id without a name.
    return hostname()
  }
}

/** Reads a list with commas. @throws SdError `SD_INVALID` for an empty item */
export function readList(field: string, text: string | undefined): readonly string[] {
  if (text === undefined) return []
  const items = text.split(',').map((item) => item.trim())
  if (items.includes('')) throw invalidError(field, text, 'a list with commas, without empty items')
  return items
}
