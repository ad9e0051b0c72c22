import type { FleetModel, TrafficPoint } from '@sd/fleet'

// What the page and the server of the dashboard exchange, as JSON. Both are of one package, so that it needs no version.
// Times are in Unix milliseconds.

/** `GET api/session`: the user, and what the page may offer. It answers without a login. */
export interface SessionAnswer {
  /** Name of the user; absent without a login. */
  readonly user?: string | undefined
  /** Whether this user may change something. The server decides again for each change. */
  readonly canWrite: boolean
  /** Whether this user may remove instances from the registry. */
  readonly canDeregister: boolean
  /** How to log in: with a user and a password, with a token, with a printed code, or not on this page. */
  readonly login: 'password' | 'token' | 'code' | 'none'
  /** Whether the session can be ended: a proxy or the application decides otherwise. */
  readonly canLogout: boolean
  /** Template of a link to logs, see `DashboardOptions.logsLink`. */
  readonly logsLink?: string | undefined
  /** Template of a link to traces, see `DashboardOptions.traceLink`. */
  readonly traceLink?: string | undefined
}

/** Change of a list of the model: items to insert or replace, and keys to remove. Keys are those of `keyOf`. */
export interface ListChange<Item> {
  readonly put: readonly Item[]
  readonly removed: readonly string[]
}

/** The lists of the model. */
export type ListName = 'services' | 'processes' | 'edges' | 'problems' | 'changes'

/** A message of `GET api/events`: the whole model first, then what changed since the previous message. */
export type ModelUpdate =
  | { readonly kind: 'whole'; readonly model: FleetModel }
  | {
      readonly kind: 'changes'
      readonly at: number
      readonly registry: FleetModel['registry']
      readonly omitted: FleetModel['omitted']
      readonly lists: { readonly [Name in ListName]?: ListChange<FleetModel[Name][number]> }
    }

/** A configuration entry. */
export interface ConfigEntryAnswer {
  readonly source: string
  readonly key: string
  /** Whether versions, differences and undo exist. */
  readonly hasHistory: boolean
  /** Whether a canary release of it can be steered. */
  readonly hasCanary: boolean
  /** Revision in its source. */
  readonly revision?: string | undefined
}

/** `GET api/configs`: the entries of all sources. */
export interface ConfigListAnswer {
  readonly entries: readonly ConfigEntryAnswer[]
  /** Sources that could not be read, and why. */
  readonly failed: readonly { readonly source: string; readonly message: string }[]
  /** Entries beyond the limit. */
  readonly omitted: number
}

/** A version of an entry. It has no content. */
export interface ConfigVersionAnswer {
  readonly version: number
  readonly at: number
  readonly change: string
  readonly state: string
  readonly author?: string | undefined
  readonly comment?: string | undefined
  readonly of?: number | undefined
  /** Whether it is the version in effect. */
  readonly isLive: boolean
}

/** A value of an entry; secrets are masked, encrypted values are described. */
export interface ConfigValueAnswer {
  readonly path: string
  readonly value: unknown
}

/** A canary release in progress. */
export interface CanaryAnswer {
  readonly share?: number | undefined
  readonly tags: readonly string[]
  readonly addresses: readonly string[]
  readonly author?: string | undefined
  readonly comment?: string | undefined
}

/** `GET api/config?source=&key=`: one entry. */
export interface ConfigAnswer extends ConfigEntryAnswer {
  readonly values: readonly ConfigValueAnswer[]
  /** Why there are no values. */
  readonly unreadable?: string | undefined
  /** Versions, newest first. */
  readonly versions: readonly ConfigVersionAnswer[]
  /** Whether the content in effect was written past the history: the next change records it as a version. */
  readonly isUnrecorded: boolean
  /** Whether the chain of its history is valid, and where it is not; absent without a history. */
  readonly chain?: { readonly isValid: boolean; readonly problem?: string | undefined } | undefined
  readonly canary?: CanaryAnswer | undefined
}

/** A value that differs between two versions. */
export interface ConfigDifferenceAnswer {
  readonly path: string
  readonly kind: 'added' | 'updated' | 'removed'
  readonly before?: unknown
  readonly after?: unknown
}

/** `GET api/config/diff?source=&key=&from=&to=`: the difference of two versions. */
export interface ConfigDiffAnswer {
  /** Absent if a version can't be parsed. */
  readonly values?: readonly ConfigDifferenceAnswer[] | undefined
  /** Unified diff with masked secrets. */
  readonly text: string
}

/** The body of `POST api/changes`. Each change needs a reason. */
export type ChangeRequest = { readonly reason: string } & (
  | {
      readonly action: 'config.rollback'
      readonly source: string
      readonly key: string
      readonly version: number
      /** The version that was in effect when the user decided: otherwise `SD_CONFLICT`. */
      readonly ifVersion: number
    }
  | { readonly action: 'canary.retarget'; readonly source: string; readonly key: string; readonly share: number }
  | { readonly action: 'canary.promote' | 'canary.abort'; readonly source: string; readonly key: string }
  | {
      readonly action: 'alerts.silence'
      readonly processId: string
      readonly rule: string
      readonly labels?: Readonly<Record<string, string>> | undefined
      readonly durationMs: number
    }
  | { readonly action: 'alerts.unsilence'; readonly processId: string; readonly id: string }
  | {
      readonly action: 'breaker'
      readonly processId: string
      readonly service: string
      readonly instanceId?: string | undefined
      readonly state: 'open' | 'closed' | 'isolated'
    }
  | { readonly action: 'draining'; readonly processId: string; readonly draining: boolean }
  | { readonly action: 'deregister'; readonly service: string; readonly instanceId: string }
)

/** The name of a change. */
export type ChangeAction = ChangeRequest['action']

/** `GET api/history?service=&instance=`: traffic of the last five minutes, oldest first. */
export interface HistoryAnswer {
  readonly points: readonly TrafficPoint[]
}
