// What the packages for Kubernetes see. Nothing here imports the client library: its types need others that its users may not have.

/** One request to the API. */
export interface ApiRequest {
  /** HTTP method. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path below the server's address. */
  readonly path: string
  /** Query parameters. */
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON; for PATCH as a merge patch. */
  readonly body?: object
  /** Ends the request when it aborts. */
  readonly signal: AbortSignal
}

/** A response of the API. */
export interface ApiResponse {
  /** The parsed object. */
  readonly body: unknown
  /** The server's clock, in epoch milliseconds; absent if a proxy removed it. */
  readonly serverTime: number | undefined
  /** How long the response took, in milliseconds. */
  readonly tookMs: number
}

/** One event of a watch, as the API sends it. */
export interface ApiEvent {
  /** `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`. */
  readonly type: string
  /** The object, or a `Status`. */
  readonly object: unknown
}

/** A watch to open. */
export interface ApiWatch {
  /** Path of the collection, below the server's address. */
  readonly path: string
  /** Start version and selectors. */
  readonly query: Readonly<Record<string, string | undefined>>
  /** Called for each event. An exception in it ends the watch. */
  readonly onEvent: (event: ApiEvent) => void
  /** Ends the watch when it aborts. */
  readonly signal: AbortSignal
}
