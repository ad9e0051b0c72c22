/** What a server still has to do, or what of it was cut. */
export interface OpenWork {
  /** Requests, streams of HTTP/2 and calls that have no whole response yet. */
  readonly requests: number
  /** Sockets that left HTTP by an upgrade, such as WebSockets. */
  readonly upgraded: number
  /** Connections without a request: of no use to anybody, or with half of a request. */
  readonly connections: number
}

/** Open work in words, such as `2 requests, 1 upgraded socket`; empty if there is none. */
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
