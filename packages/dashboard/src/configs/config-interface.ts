import type { ConfigSource, OperationOptions } from '@sd/core'

// What the dashboard uses of configuration, as the smallest interfaces that fit. The packages with the objects are not needed to show
// anything else.

/** The part of a `ConfigHistory` of `@sd/config-history` that the dashboard uses. */
export interface DashboardHistory {
  /** All versions, newest first. Without `sync` it only reads. @throws SdError */
  list(options?: OperationOptions & { readonly sync?: boolean }): Promise<readonly DashboardVersion[]>
  /** The values that differ; secrets are masked. @throws SdError `SD_NOT_FOUND`, `SD_MALFORMED` */
  diff(before: number, after: number, options?: OperationOptions): Promise<readonly DashboardDifference[]>
  /** A unified diff; secrets are masked. @throws SdError `SD_NOT_FOUND` */
  diffText(before: number, after: number, options?: OperationOptions): Promise<string>
  /** Writes an earlier version again, if `ifVersion` is the current one. @throws SdError `SD_CONFLICT` */
  rollback(
    version: number,
    options?: OperationOptions & { readonly author?: string; readonly comment?: string; readonly ifVersion?: number },
  ): Promise<DashboardVersion>
  /** Verifies the chain. @throws SdError only if it can't be read */
  verify(options?: OperationOptions): Promise<DashboardVerification>
}

/** Result of a verification of the chain. */
export interface DashboardVerification {
  /** Whether the chain is valid. */
  readonly isValid: boolean
  /** The first problem, if any. */
  readonly problem?: { readonly line: number; readonly reason: string }
}

/** A version of a {@link DashboardHistory}. */
export interface DashboardVersion {
  readonly version: number
  /** Time of recording, in Unix milliseconds. */
  readonly timeMs: number
  /** Such as `put`, `delete`, `rollback` or `external`. */
  readonly change: string
  /** Such as `written` or `failed`. */
  readonly state: string
  /** Author of the version, if known. */
  readonly author?: string | undefined
  /** Reason for the change. */
  readonly comment?: string | undefined
  /** The version that a rollback restored. */
  readonly of?: number | undefined
  /** Its text; `null` if it removed the entry. */
  readonly content?: string | null | undefined
}

/** A value that differs. */
export interface DashboardDifference {
  /** Path, such as `db.pool.size`. */
  readonly path: string
  /** Kind of difference. */
  readonly kind: 'added' | 'updated' | 'removed'
  /** The value before; absent if it was added. */
  readonly before?: unknown
  /** The value after; absent if it was removed. */
  readonly after?: unknown
}

/** The part of a `CanaryRelease` of `@sd/config` that the dashboard uses. */
export interface DashboardCanary {
  /** The release in progress; `undefined` if there is none. @throws SdError */
  current(options?: OperationOptions): Promise<DashboardCanaryVersion | undefined>
  /** Selects other instances. @throws SdError `SD_NOT_FOUND`, `SD_CONFLICT` */
  retarget(rule: DashboardCanaryRule, options?: DashboardWriteOptions): Promise<unknown>
  /** Applies the version to all instances. @throws SdError `SD_NOT_FOUND`, `SD_CONFLICT` */
  promote(options?: DashboardWriteOptions): Promise<unknown>
  /** Withdraws the version. @throws SdError */
  abort(options?: DashboardWriteOptions): Promise<void>
}

/** Options of the writes of a {@link DashboardCanary}. */
export interface DashboardWriteOptions extends OperationOptions {
  /** Name of the user. */
  readonly author?: string
  /** Reason of the change. */
  readonly comment?: string
}

/** The instances that a canary release applies to. */
export interface DashboardCanaryRule {
  /** Share of all instances in percent, from 0 to 100. */
  readonly share?: number
  /** Instances with one of these tags. */
  readonly tags?: readonly string[]
  /** Instances with one of these addresses. */
  readonly addresses?: readonly string[]
}

/** A canary release in progress. */
export interface DashboardCanaryVersion {
  readonly rule: DashboardCanaryRule
  /** Author of the version. */
  readonly author?: string | undefined
  /** Reason of the version. */
  readonly comment?: string | undefined
}

/** Entries of a source to show. */
export interface DashboardConfigs {
  /** Source of the entries. The dashboard reads it and does not close it. */
  readonly source: Pick<ConfigSource, 'name' | 'load'>
  /** Histories by key: they have versions, differences and undo. They must mask secrets. @default {} */
  readonly histories?: Readonly<Record<string, DashboardHistory>>
  /** Canary releases by key. @default {} */
  readonly canaries?: Readonly<Record<string, DashboardCanary>>
}
