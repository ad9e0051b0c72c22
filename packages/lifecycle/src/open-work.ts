/** Unfinished work of a server. */
export interface OpenWork {
  /** Requests, HTTP/2 streams and calls without a complete response. */
  readonly requests: number
  /** Sockets that were upgraded from HTTP, such as WebSockets. */
  readonly upgraded: number
  /** Connections without a request, or with an incomplete one. */
  readonly connections: number
}

/** Describes open work, for example `2 requests, 1 upgraded socket`; empty if there is none. */
export function describeWork({ requests, upgraded, connections }: OpenWork): string {
  const parts = [
    [requests, 'request', 'requests'],
    [upgraded, 'upgraded socket', 'upgraded sockets'],
    [connections, 'connection without a request', 'connections without a request'],
  ] as const
  return parts
    .filter(([number]) => number > 0)
    .map(([number, one, many]) => `${number} ${number === 1 ? one : many}`)
    .join(', ')
}
