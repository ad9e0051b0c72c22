import type { CircuitBreaker, Registration } from '@sd/core'
import type { AdminControl } from './protocol.ts'

// What may be changed, as the smallest interfaces that fit the objects of the other packages. They are not imported, so that
// an endpoint for reading needs nothing but core.

/** What happened during a call, as the client explains it. */
export interface TriedCall {
  /** Steps of the call, in order. `atMs` is the time since its start in milliseconds. */
  readonly steps: readonly {
    readonly atMs: number
    readonly step: string
    readonly attempt?: number | undefined
    readonly origin?: string | undefined
    readonly detail?: string | undefined
  }[]
  /** Time until the end of the body, in milliseconds. */
  readonly durationMs: number
}

/** A `ServiceClient` of `@sd/client`. */
export interface AdminClient {
  /** The breaker of a service or of one of its instances. */
  breaker(
    service: string,
    instanceId?: string,
  ): Pick<CircuitBreaker, 'state' | 'open' | 'close' | 'isolate' | 'onStateChange'> | undefined
  /** Makes a call. */
  request(
    service: string,
    path: string,
    options: {
      readonly method: string
      readonly headers: Readonly<Record<string, string>>
      readonly timeoutMs: number
      readonly signal: AbortSignal
      readonly explain: (explanation: TriedCall) => void
    },
  ): Promise<{ readonly status: number; readonly attempts: number; bytes(): Promise<Uint8Array> }>
}

/** A `Config` of `@sd/config`. */
export interface AdminConfig {
  /** Reads all sources now. */
  reload(options: { readonly signal: AbortSignal }): Promise<void>
  /** Overrides all sources at a path. */
  set(path: never, value: never): Promise<void>
  /** Removes overrides at a path and below. */
  unset(path: never): Promise<void>
  /** The value at a path; secrets are masked. */
  explain(path: string): { readonly value: unknown }
}

/** An `Alerts` of `@sd/alerts`. */
export interface AdminAlerts {
  /** Rules of all alerts. */
  state(): { readonly rules: readonly { readonly name: string; readonly enabled?: boolean }[] }
  /** Suppresses notifications. */
  silence(options: {
    readonly rule?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly durationMs: number
    readonly comment: string
  }): { readonly id: string; readonly endsAt: number }
  /** Ends a silence. @returns whether it existed */
  expireSilence(id: string): boolean
  /** Enables or disables a rule. @returns whether it exists */
  enableRule(name: string, isEnabled: boolean): boolean
}

/** A version of a configuration entry. Its content is never in an answer. */
export interface AdminVersion {
  readonly version: number
  /** Such as `put` or `rollback`. */
  readonly change: string
  /** Such as `written`. */
  readonly state: string
  /** When it was recorded, in Unix milliseconds. */
  readonly timeMs: number
  /** Author of the version, if known. */
  readonly author?: string | undefined
  /** Reason for the change. */
  readonly comment?: string | undefined
  /** The version that a rollback restored. */
  readonly of?: number | undefined
}

/** A value that differs between two versions. */
export interface AdminDifference {
  readonly path: string
  /** `added`, `updated` or `removed`. */
  readonly kind: string
  /** The value before; absent if it was added. */
  readonly before?: unknown
  /** The value after; absent if it was removed. */
  readonly after?: unknown
}

/** A `ConfigHistory` of `@sd/config-history`. */
export interface AdminHistory {
  /** All versions, newest first. Without `sync` it only reads. */
  list(options: { readonly signal: AbortSignal; readonly sync: boolean }): Promise<readonly AdminVersion[]>
  /** Values that differ between two versions. */
  diff(before: number, after: number, options: { readonly signal: AbortSignal }): Promise<readonly AdminDifference[]>
  /** Writes a text as a new version, if `ifVersion` is the current one. */
  put(content: string, options: AdminVersionOptions): Promise<AdminVersion>
  /** Writes the content of an earlier version again, if `ifVersion` is the current one. */
  rollback(version: number, options: AdminVersionOptions): Promise<AdminVersion>
}

/** Options of a new version. */
export interface AdminVersionOptions {
  /** Name of the principal. */
  readonly author: string
  /** Reason for the change. */
  readonly comment: string
  /** The version that must be the current one; 0 if there is no entry. */
  readonly ifVersion: number
  readonly signal: AbortSignal
}

/** A logger with a level that can be set, such as one of pino or winston. */
export interface AdminLogger {
  /** Name of the lowest level that is written. Setting an unknown one throws. */
  level: string
}

/** What may be changed through an endpoint. What is absent can't be changed. */
export interface AdminControls {
  /** For `allowBreakers` and `allowCalls`. @default none */
  readonly client?: AdminClient
  /** Whether circuit breakers of `client` can be opened, closed and isolated. @default true */
  readonly allowBreakers?: boolean
  /** Whether `client` may make one call for an explanation. @default false */
  readonly allowCalls?: boolean
  /** Can be reloaded; values can be overridden in the memory of the process. @default none */
  readonly config?: AdminConfig
  /** Silences can be added and ended, rules enabled and disabled. @default none */
  readonly alerts?: AdminAlerts
  /** Can be set to draining and back. A function is called for every change. @default none */
  readonly registrations?: readonly Registration[] | (() => readonly Registration[])
  /** By name: can be listed and compared, written and rolled back. @default none */
  readonly histories?: Readonly<Record<string, AdminHistory>>
  /** Its level can be set. @default none */
  readonly logging?: AdminLogger
}

/** Names of the controls that were handed over. */
export function listControls(controls: AdminControls): readonly AdminControl[] {
  const { client, allowBreakers = true, allowCalls, config, alerts, registrations, histories, logging } = controls
  const found: Readonly<Partial<Record<AdminControl, unknown>>> = {
    breakers: client && allowBreakers,
    config,
    alerts,
    draining: registrations,
    histories,
    'log-level': logging,
    calls: client && allowCalls,
  }
  return (Object.keys(found) as AdminControl[]).filter((name) => found[name])
}
