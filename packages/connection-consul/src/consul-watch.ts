import { SdError } from '@sd/core'
import type { ConsulTarget } from './agent-requests.ts'
import type { Answer, QueryOptions } from './consul-client.ts'
import type { ConsulConnection } from './consul-connection.ts'

/** A query of the library that can wait for changes. */
export type Query = (target: ConsulTarget, options: QueryOptions) => Promise<Answer<unknown>>

/** What a query found. */
export interface Found {
  /** The answer's body. */
  readonly body: unknown
  /** Consul's index of it. */
  readonly index: string
  /** Whether Consul says that it left something out that the token may not read. It does not say so to those without a token. */
  readonly filtered: boolean
}

/**
 * Runs a query once, without waiting for a change. The leader asks the other servers first whether it still is one (`?consistent`): one
 * that has just been elected would answer with what it had applied till then, which may be nothing.
 */
export async function queryOnce(connection: ConsulConnection, query: Query, signal?: AbortSignal): Promise<Found> {
  return readAnswer(await connection.run((target) => query(target, { ...target.options, consistent: true }), signal))
}

/**
 * One session: reads, then asks again and again for what is newer than the last index. The library's own watch drops a change whose listener
 * throws, repeats without jitter and gives up on some errors: here any trouble ends the session, and the next one reads anew.
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
      async (target, waitMs) => readAnswer(await query(target, { ...target.options, index, wait: `${waitMs}ms` })),
      signal,
    )
    // An index that went backwards belongs to another history: what was waited for may have been missed.
    found = BigInt(next.index) < BigInt(index) ? await queryOnce(connection, query, signal) : next
  }
}

function readAnswer([response, body]: Answer<unknown>): Found {
  const index = String(response.headers['x-consul-index'] ?? '')
  if (!/^[1-9]\d{0,19}$/.test(index))
    throw new SdError('SD_UNAVAILABLE', `An answer without a usable index: ${JSON.stringify(index)}`)
  return { body, index, filtered: response.headers['x-consul-results-filtered-by-acls'] === 'true' }
}
