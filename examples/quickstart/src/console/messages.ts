/** A process of the demonstration. Plain data, because it is sent to the process. */
export interface ProcessPlan {
  /** Service of the process. */
  readonly service: string
  /** Id of its instance. */
  readonly id: string
  /** Version of its instance. */
  readonly version: string
  /** Services that it calls for each request. */
  readonly needs: readonly string[]
  /** Calls per second that it makes by itself, to each of `needs`. */
  readonly rate: number
}

/** First message of the parent. */
export interface ProcessOrder {
  readonly plan: ProcessPlan
  /** File that lists all instances. */
  readonly registryFile: string
  /** Folder with the configuration. */
  readonly configFolder: string
}

/** Reply of a process once it serves. */
export interface ProcessReply {
  readonly port: number
  readonly adminPort: number
}

/** Later message of the parent: responses take this much longer, in milliseconds. */
export interface SlowDown {
  readonly delayMs: number
}
