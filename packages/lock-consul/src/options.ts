import {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  checkPrefix,
  type ResolvedConsulConnectionOptions,
  resolveConsulConnectionOptions,
} from '@sd/connection-consul'
import { checkDuration, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'

/** Options of `createConsulLock`. */
export interface ConsulLockOptions extends ConsulConnectionOptions {
  /** Prefix of all keys, without leading and trailing slashes. @default 'sd/locks' */
  readonly prefix?: string
  /**
   * Time to live of the session without renewal, in milliseconds. Consul allows 10 s to 24 h, and can keep a dead
   * holder's session for twice this time. The holder itself gives up after nine tenths of it.
   *
   * @default 15_000
   */
  readonly ttlMs?: number
  /**
   * How long Consul holds a lock back after its session ended without a release, in milliseconds, up to 60,000.
   * @default 0
   */
  readonly lockDelayMs?: number
  /** Name in messages. @default 'consul' */
  readonly name?: string
}

/** Options with defaults applied. */
export interface ResolvedConsulLockOptions extends ResolvedConsulConnectionOptions {
  readonly prefix: string
  readonly ttlMs: number
  readonly lockDelayMs: number
}

const keys = [...CONNECTION_OPTIONS, 'prefix', 'ttlMs', 'lockDelayMs', 'name']
const longestLockDelayMs = 60_000
/** Longest time to live that Consul grants a session, in milliseconds. */
const longestTtlMs = 86_400_000

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveConsulLockOptions(options: ConsulLockOptions): ResolvedConsulLockOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const lockDelayMs = checkDuration('lockDelayMs', options.lockDelayMs ?? 0)
  if (lockDelayMs > longestLockDelayMs) throw invalidError('lockDelayMs', lockDelayMs, `at most ${longestLockDelayMs}`)
  const ttlMs = checkDuration('ttlMs', options.ttlMs ?? 15_000, 1_000)
  if (ttlMs > longestTtlMs) throw invalidError('ttlMs', ttlMs, `at most ${longestTtlMs}`)
  return {
    ...resolveConsulConnectionOptions(options, checkName('name', options.name ?? 'consul')),
    prefix: checkPrefix(options.prefix ?? 'sd/locks'),
    ttlMs,
    lockDelayMs,
  }
}
