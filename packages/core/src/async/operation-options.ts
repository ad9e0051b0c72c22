/** Options of every operation that waits. */
export interface OperationOptions {
  /** Ends the wait: the operation rejects with `SD_ABORTED`, a watch ends. */
  readonly signal?: AbortSignal | undefined
}
