/** Kind of change in {@link ConfigWriteEvent}. `external`: a history found a change that was not made through it. */
export type ConfigWriteChange =
  | 'put'
  | 'delete'
  | 'rollback'
  | 'external'
  | 'canary-publish'
  | 'canary-retarget'
  | 'canary-promote'
  | 'canary-abort'

/** Payload of `sd:v1:config:write`. It contains no values. */
export interface ConfigWriteEvent {
  /** Name of the configuration source. */
  readonly source: string
  /** Key of the entry. */
  readonly key: string
  /** Kind of change. */
  readonly change: ConfigWriteChange
  /** The new version, if the entry has a history. */
  readonly version?: number | undefined
  /** The version that a rollback restored. */
  readonly of?: number | undefined
  /** Id of the canary release, if the change belongs to one. */
  readonly releaseId?: string | undefined
  /** Author of the change, if known. */
  readonly author?: string | undefined
  /** Reason for the change, if one was given. Secrets in it are masked. */
  readonly comment?: string | undefined
}

/** Payload of `sd:v1:lock:state`. */
export interface LockStateEvent {
  /** Name of the lock's backend, see `Lock.name`. */
  readonly lock: string
  /** Name of the lock. */
  readonly key: string
  /** `lost`: another process may hold the lock, although this one did not release it. */
  readonly state: 'acquired' | 'released' | 'lost'
  /** The fencing token, in decimal: JSON has no form for a bigint. */
  readonly token: string
}

/** Payload of `sd:v1:alert:state`. An alert that was pending and did not fire has no event for its end. */
export interface AlertStateEvent {
  /** Name of the rule. */
  readonly rule: string
  /** Severity of the rule. */
  readonly severity: 'info' | 'warning' | 'critical'
  /** Labels that the rule groups by. */
  readonly labels: Readonly<Record<string, string>>
  /** The new state. */
  readonly state: 'pending' | 'firing' | 'resolved'
  /** The state before; absent if the alert was inactive. */
  readonly previous?: 'pending' | 'firing' | 'resolved' | undefined
  /** The value when the condition last held; absent for a rule about missing series. */
  readonly value?: number | undefined
  /** Whether a silence suppresses notifications. */
  readonly isSilenced: boolean
}
