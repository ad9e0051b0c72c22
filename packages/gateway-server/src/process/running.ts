import type { ListenerAddress } from '@sd/gateway'

/** A gateway that serves, in this process or in several. */
export interface Running {
  readonly addresses: readonly ListenerAddress[]
  /** Address of metrics and health, such as `http://127.0.0.1:9464`. */
  readonly observe: string
  /** Reads the document again. The outcome is in the log. */
  reload(): void
  /** Drains and ends. @returns whether everything drained */
  close(signal: NodeJS.Signals): Promise<boolean>
}
