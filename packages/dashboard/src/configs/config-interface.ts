import type { ConfigSource, OperationOptions } from '@sd/core'

/** The part of a `ConfigHistory` of `@sd/config-history` that the dashboard uses. */
export interface DashboardHistory {
  list(options?: OperationOptions & { readonly sync?: boolean }): Promise<readonly DashboardVersion[]>
  diff(before: number, after: number, options?: OperationOptions): Promise<readonly DashboardDifference[]>
  /** A unified diff with masked secrets. */
  diffText(before: number, after: number, options?: OperationOptions): Promise<string>
  rollback(
    version: number,
    options?: OperationOptions & { readonly author?: string; readonly comment?: string; readonly ifVersion?: number },
  ): Promise<DashboardVersion>
  verify(options?: OperationOptions): Promise<DashboardVerification>
}

/** Result of a verification of the chain. */
export interface DashboardVerification {
  readonly isValid: boolean
  readonly problem?: { readonly line: number; readonly reason: string }
}

/** A version of a {@link DashboardHistory}. */
export interface DashboardVersion {
  readonly version: number
  readonly timeMs: number
  readonly change: string
  readonly state: string
  readonly author?: string | undefined
  readonly comment?: string | undefined
  readonly of?: number | undefined
}

/** A value that differs. */
export interface DashboardDifference {
  readonly path: string
  readonly kind: 'added' | 'updated' | 'removed'
  readonly before?: unknown
  readonly after?: unknown
}

/** The part of a `CanaryRelease` of `@sd/config` that the dashboard uses. */
export interface DashboardCanary {
  current(options?: OperationOptions): Promise<DashboardCanaryVersion | undefined>
  retarget(rule: DashboardCanaryRule, options?: DashboardWriteOptions): Promise<unknown>
  promote(options?: DashboardWriteOptions): Promise<unknown>
  abort(options?: DashboardWriteOptions): Promise<void>
}

/** Options of the writes of a {@link DashboardCanary}. */
export interface DashboardWriteOptions extends OperationOptions {
  readonly author?: string
  readonly comment?: string
}

/** The instances that a canary release applies to. */
export interface DashboardCanaryRule {
  readonly share?: number
  readonly tags?: readonly string[]
  readonly addresses?: readonly string[]
}

/** A canary release in progress. */
export interface DashboardCanaryVersion {
  readonly rule: DashboardCanaryRule
  readonly author?: string | undefined
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
