import type { OperationOptions } from '@sd/core'

/** A stored history. */
export interface StoredLog {
  /** The records, one per line; the last line can be truncated. Empty if there are none. */
  readonly text: string
  /** Differs after every change. */
  readonly revision: string
}

/** Storage for records. Two writers, in one process or several, must never overwrite each other. */
export interface HistoryStore {
  /** Name in messages. */
  readonly name: string
  /** Maximum size of the text, in bytes. The oldest versions are dropped to stay below it. */
  readonly maxBytes: number
  /** Reads everything. @throws SdError if it can't be read; must not return an empty text during an outage */
  read(options: OperationOptions): Promise<StoredLog>
  /** Appends all lines or none, if the text has this revision. @returns false if the text has changed @throws SdError */
  append(lines: string, revision: string, options: OperationOptions): Promise<boolean>
  /** Replaces the text, if it has this revision. @returns and throws as `append` */
  replace(text: string, revision: string, options: OperationOptions): Promise<boolean>
}
