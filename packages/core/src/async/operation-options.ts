/** Options of every asynchronous operation. */
export interface OperationOptions {
  /** Cancels the operation, which then rejects with `SD_ABORTED`. A watch ends. */
  readonly signal?: AbortSignal | undefined
}
