import type { OperationOptions } from '../async/operation-options.ts'
import type { Watched } from '../async/watched.ts'
import type { ConnectionState } from '../registry/registry.ts'

/** How a text is read. `text` is one value as it stands, whose path is the entry's key with dots for slashes. */
export type ConfigFormat = 'json' | 'yaml' | 'toml' | 'properties' | 'env' | 'text'

/** What is written down beside a text, where the source keeps it. */
export interface ConfigAnnotations {
  /** Who wrote it. */
  readonly author?: string | undefined
  /** Why. */
  readonly comment?: string | undefined
}

/** One text of configuration, as its source has it. Immutable. */
export interface ConfigEntry extends ConfigAnnotations {
  /** Where it is in the source: a file's name, a data id, a path below a prefix such as `db/pool/size`. */
  readonly key: string
  /** The text, byte for byte as it was written. */
  readonly content: string
  /** How it is read. */
  readonly format: ConfigFormat
  /** Another one after every change of the content; for compare-and-set. Its form is the source's. */
  readonly revision: string
  /** When it was last changed, in Unix milliseconds, where the source tells. */
  readonly updatedAt?: number | undefined
  /** Whether it is secret as a whole, such as an entry of a Kubernetes Secret: its values are masked wherever they are shown. */
  readonly isSecret?: boolean | undefined
}

/** Everything that a source has, at one moment. Immutable. */
export interface ConfigDocument {
  /** Name of the source. */
  readonly source: string
  /** Its entries, in the order in which they are merged: later ones win. */
  readonly entries: readonly ConfigEntry[]
}

/** What a source can do. */
export interface ConfigSourceCapabilities {
  /** Whether changes are told by the backend at once, or found by asking at an interval. */
  readonly watch: 'push' | 'poll'
  /** Whether `put` and `delete` exist. */
  readonly write: boolean
  /** Whether `ifRevision` is judged by the backend itself, so that of two writers one loses. */
  readonly compareAndSet: boolean
  /** Whether author and comment are kept. */
  readonly annotations: boolean
}

/** A place that configuration comes from. */
export interface ConfigSource extends AsyncDisposable {
  /** Name for messages, logs and `explain`. */
  readonly name: string
  /** What it can do. */
  readonly capabilities: ConfigSourceCapabilities
  /** State of its connection; changes are published. */
  readonly state: ConnectionState
  /** Reads everything once. @throws SdError when it can't be read: never an empty document because of an outage */
  load(options?: OperationOptions): Promise<ConfigDocument>
  /**
   * Follows it: the current document first, then every change, the latest only for a slow consumer, and whether the source is away. Ends on
   * abort and close; throws only what waiting can't heal.
   */
  watch(options?: OperationOptions): AsyncIterable<Watched<ConfigDocument>>
  /** Ends watches and lets go of the backend. Idempotent, bounded in time. */
  close(): Promise<void>
}

/** Options of {@link WritableConfigSource.put} and {@link WritableConfigSource.delete}. */
export interface ConfigWriteOptions extends OperationOptions, ConfigAnnotations {
  /**
   * Writes only if the entry has this revision; `null`: only if there is none. Where the backend can't compare (`capabilities.compareAndSet`),
   * it is compared right before writing, and a writer at the same moment can be lost.
   *
   * @default writes anyway
   */
  readonly ifRevision?: string | null
}

/** A source that can be written to. */
export interface WritableConfigSource extends ConfigSource {
  /**
   * Writes a text. @returns the entry as written
   * @throws SdError `SD_CONFLICT` if the revision is another one, `SD_TOO_LARGE`, `SD_DENIED`, `SD_INVALID`; nothing has changed then
   */
  put(key: string, content: string, options?: ConfigWriteOptions): Promise<ConfigEntry>
  /** Removes an entry; a missing one is no error, unless a revision is wanted. @throws as `put` */
  delete(key: string, options?: ConfigWriteOptions): Promise<void>
}
