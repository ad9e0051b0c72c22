/** What a route is found by. */
export interface RoutedRequest {
  readonly listener: string
  readonly method: string
  /** Host without port, in lower case. */
  readonly host: string
  /** Path with query. */
  readonly path: string
  /** `http`, `websocket`, or the name of one of the gateway's protocols. */
  readonly protocol: string
  /** Header fields, names in lower case and values in turn. */
  readonly rawHeaders: readonly string[]
}
