import { SdError } from '@sd/core'
import type { ConsulTarget } from './agent-requests.ts'
import type { LibraryResponse, QueryOptions } from './consul-client.ts'
import type { ConsulConnection } from './consul-connection.ts'

/** A query of the library that can wait for changes. */
export type Query = (target: ConsulTarget, options: QueryOptions) => Promise<LibraryResponse<unknown>>

/** Result of a query. */
export interface Found {
  /** Body of the response. */
  readonly body: unknown
  /** Consul's index of the body. */
  readonly index: string
  /**
   * Whether Consul reports that it left out entries that the token may not read. It does not report this to callers
   * without a token.
   */
  readonly filtered: boolean
}

/**
 * Runs a query once, without waiting for a change. With `?consistent` the leader first verifies its leadership with the
 * other servers: a newly elected leader could otherwise respond with old or no data.
 */
export async function queryOnce(connection: ConsulConnection, query: Query, signal?: AbortSignal): Promise<Found> {
  return readResponse(await connection.run((target) => query(target, { ...target.options, consistent: true }), signal))
}

/**
 * Runs one session: reads, then waits for changes after the last index. The library's own watch drops a change whose
 * listener throws, repeats without jitter and gives up on some errors. Here any error ends the session, and the next
 * one reads again.
 */
export async function followQuery(
  connection: ConsulConnection,
  query: Query,
  options: { readonly signal: AbortSignal; readonly onFound: (found: Found) => void | Promise<void> },
): Promise<void> {
  const { signal, onFound } = options
  let found = await queryOnce(connection, query, signal)
  for (;;) {
    await onFound(found)
    if (signal.aborted) return
    const { index } = found
    const next = await connection.block(
      async (target, waitMs) => readResponse(await query(target, { ...target.options, index, wait: `${waitMs}ms` })),
      signal,
    )
    // An index that goes backwards is from another history, so changes may have been missed.
    found = BigInt(next.index) < BigInt(index) ? await queryOnce(connection, query, signal) : next
  }
}

function readResponse([response, body]: LibraryResponse<unknown>): Found {
  const index = String(response.headers['x-consul-index'] ?? '')
  if (!/^[1-9]\d{0,19}$/.test(index))
    throw new SdError('SD_UNAVAILABLE', `A response without a valid index: ${JSON.stringify(index)}`)
  return { body, index, filtered: response.headers['x-consul-results-filtered-by-acls'] === 'true' }
}
