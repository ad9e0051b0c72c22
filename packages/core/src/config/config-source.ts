import type { OperationOptions } from '../async/operation-options.ts'
import type { Watched } from '../async/watched.ts'
import type { ConnectionState } from '../registry/registry.ts'

/** Format of an entry. `text` is a single value; its path is the entry's key with dots instead of slashes. */
export type ConfigFormat = 'json' | 'yaml' | 'toml' | 'properties' | 'env' | 'text'

/** Notes that a source stores with an entry, if it supports them. */
export interface ConfigAnnotations {
  /** Author of the change. */
  readonly author?: string | undefined
  /** Reason for the change. */
  readonly comment?: string | undefined
}

/** One configuration text of a source. Immutable. */
export interface ConfigEntry extends ConfigAnnotations {
  /** Location in the source: the name of a file, a data id, or a path below a prefix such as `db/pool/size`. */
  readonly key: string
  /** The text, exactly as written. */
  readonly content: string
  readonly format: ConfigFormat
  /** Changes with every change of the content; for compare-and-set. Its form depends on the source. */
  readonly revision: string
  /** When it last changed, in Unix milliseconds, if the source reports it. */
  readonly updatedAt?: number | undefined
  /** Whether the whole entry is secret, such as an entry of a Kubernetes Secret. Its values are masked in all output. */
  readonly isSecret?: boolean | undefined
}

/** The complete content of a source at one moment. Immutable. */
export interface ConfigDocument {
  /** Name of the source. */
  readonly source: string
  /** The entries in merge order: later ones override earlier ones. */
  readonly entries: readonly ConfigEntry[]
}

/** What a source supports. */
export interface ConfigSourceCapabilities {
  /** Whether the backend pushes changes, or the source polls for them. */
  readonly watch: 'push' | 'poll'
  /** Whether `put` and `delete` exist. */
  readonly write: boolean
  /** Whether the backend itself checks `ifRevision`, so that one of two concurrent writers fails. */
  readonly compareAndSet: boolean
  /** Whether author and comment are stored. */
  readonly annotations: boolean
}

/** A source of configuration. */
export interface ConfigSource extends AsyncDisposable {
  /** Name for messages, logs and `explain`. */
  readonly name: string
  readonly capabilities: ConfigSourceCapabilities
  /** State of the connection. Changes are published on the `sd:v1:backend:state` channel. */
  readonly state: ConnectionState
  /** Reads all entries once. @throws SdError if it can't be read: an outage never yields an empty document */
  load(options?: OperationOptions): Promise<ConfigDocument>
  /**
   * Watches the source: yields the current document first, then every change and whether the source is unreachable. A
   * slow consumer receives only the latest. Ends on abort and close; throws only errors that waiting can't resolve.
   */
  watch(options?: OperationOptions): AsyncIterable<Watched<ConfigDocument>>
  /** Ends watches and releases the backend. Idempotent and bounded in time. */
  close(): Promise<void>
}

/** Options of {@link WritableConfigSource.put} and {@link WritableConfigSource.delete}. */
export interface ConfigWriteOptions extends OperationOptions, ConfigAnnotations {
  /**
   * Writes only if the entry has this revision; `null` writes only if there is no entry. If the backend can't compare
   * (`capabilities.compareAndSet`), the source compares right before writing, and one of two concurrent writes may be
   * lost.
   *
   * @default writes unconditionally
   */
  readonly ifRevision?: string | null
}

/** A source that also supports writes. */
export interface WritableConfigSource extends ConfigSource {
  /**
   * Writes an entry.
   *
   * @returns the entry as written
   * @throws SdError `SD_CONFLICT` if the revision differs, `SD_TOO_LARGE`, `SD_DENIED`, `SD_INVALID`; nothing has changed
   * then
   */
  put(key: string, content: string, options?: ConfigWriteOptions): Promise<ConfigEntry>
  /** Removes an entry. A missing entry is an error only with `ifRevision`. @throws the errors of `put` */
  delete(key: string, options?: ConfigWriteOptions): Promise<void>
}
