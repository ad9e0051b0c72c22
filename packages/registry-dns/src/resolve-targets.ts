import { SdError, toSdError, withAnySignal } from '@sd/core'
import { isDnsName } from './dns-name.ts'
import { type BroughtAddresses, indexAdditionals } from './interpret.ts'
import type { DnsAnswer } from './resolver.ts'

/** The addresses of a name. */
export interface Addresses {
  /** Addresses; empty if the name has none. */
  readonly addresses: readonly string[]
  /** How long they are valid, in milliseconds. */
  readonly ttlMs: number
}

/** The targets of a service. */
export interface ResolvedTargets {
  /** Addresses of the targets that were resolved. */
  readonly resolved: ReadonlyMap<string, Addresses>
  /** Errors of the other targets. */
  readonly failed: ReadonlyMap<string, SdError>
}

/** An SRV record. */
export interface ListedRecord {
  readonly target: string
  readonly port: number
  readonly weight: number
  readonly priority: number
}

/** Targets to resolve. */
export interface TargetsQuery {
  /** Name of the registry, for messages. */
  readonly registry: string
  /** Time limit of one query, in milliseconds. */
  readonly timeoutMs: number
  /** The SRV records. */
  readonly listed: readonly ListedRecord[]
  /** The response with these records; it may also contain addresses. */
  readonly answer: DnsAnswer<'SRV'>
  /** Resolves one name. */
  readonly resolve: (
    name: string,
    signal: AbortSignal,
    brought: (type: 'A' | 'AAAA') => BroughtAddresses | undefined,
  ) => Promise<Addresses>
  /** Ends resolving when it aborts. */
  readonly signal: AbortSignal
}

/** Maximum number of targets of one service that are resolved at once. */
const maxTargets = 16

/**
 * Resolves all targets, and collects those that fail: an unreachable zone does not affect the other targets. A target
 * that is not a name is left out, and reported when the instance is built.
 *
 * @throws SdError the first error, if none has an address
 */
export async function resolveAllTargets({
  registry,
  timeoutMs,
  listed,
  answer,
  resolve,
  signal,
}: TargetsQuery): Promise<ResolvedTargets> {
  const resolved = new Map<string, Addresses>()
  const failed = new Map<string, SdError>()
  const brought = indexAdditionals(answer.message)
  const patience = new AbortController()
  const late = (): SdError =>
    new SdError('SD_TIMEOUT', `${registry} received no response within ${timeoutMs} ms of those for other targets`)
  let timer: ReturnType<typeof setTimeout> | undefined
  const open = new Set(listed.map(({ target }) => target).filter(isDnsName))
  async function work(): Promise<void> {
    for (const target of open) {
      open.delete(target)
      try {
        const ask = (limit: AbortSignal): Promise<Addresses> => resolve(target, limit, (type) => brought(target, type))
        const found = await withAnySignal([signal, patience.signal], ask)
        resolved.set(target, found)
        // Once a target is resolved, the others have the time of one query, so that an unreachable zone does not delay
        // the start.
        if (found.addresses.length === 0) continue
        clearTimeout(timer)
        timer = setTimeout(() => patience.abort(late()), timeoutMs)
      } catch (error) {
        signal.throwIfAborted()
        failed.set(target, toSdError(error, 'SD_UNAVAILABLE', `${registry} can't resolve ${target}`))
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: maxTargets }, work))
  } finally {
    clearTimeout(timer)
  }
  const [first] = failed.values()
  if (first && ![...resolved.values()].some(({ addresses }) => addresses.length > 0)) throw first
  return { resolved, failed }
}
