import type { OperationOptions } from '@sd/core'

/** A history as a store has it. */
export interface StoredLog {
  /** The records, each a line with its end; the last one may be cut off. Empty if there is none yet. */
  readonly text: string
  /** Another one after every change. */
  readonly revision: string
}

/** Where records are kept. Two writers, in one process or several, never overwrite each other. */
export interface HistoryStore {
  /** Name for messages. */
  readonly name: string
  /** Longest text, in bytes. The oldest versions are dropped to stay below. */
  readonly maxBytes: number
  /** Reads everything. @throws SdError when it can't be read: never an empty text because of an outage */
  read(options: OperationOptions): Promise<StoredLog>
  /** Adds lines behind the text that has this revision, all of them or none. @returns whether it did: not if there is another text by now @throws SdError */
  append(lines: string, revision: string, options: OperationOptions): Promise<boolean>
  /** Replaces the text that has this revision. @returns and throws as `append` */
  replace(text: string, revision: string, options: OperationOptions): Promise<boolean>
}
