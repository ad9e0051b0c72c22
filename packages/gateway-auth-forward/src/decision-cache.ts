import { createHash } from 'node:crypto'
import { BoundedMap } from '@sd/core'
import type { GatewayExchange } from '@sd/gateway'
import type { Decision } from './ask.ts'
import type { DecisionCacheOptions } from './auth-forward-options.ts'

/** Most bytes of all bodies and fields. */
const maxBytes = 16_777_216

interface Kept {
  readonly decision: Decision
  readonly expiresAt: number
}

/** Decisions for a time. Their keys are hashes, so that no credential is kept. */
export class DecisionCache {
  readonly #options: Required<DecisionCacheOptions>
  readonly #kept: BoundedMap<string, Kept>

  constructor(options: Required<DecisionCacheOptions>) {
    this.#options = options
    const { maxEntries, ttlMs } = options
    this.#kept = new BoundedMap({ maxEntries, maxWeight: maxBytes, weigh: (_, { decision }) => sizeOf(decision), idleMs: ttlMs })
  }

  /** What a decision about a request depends on. */
  keyOf(exchange: GatewayExchange): string {
    const { headers, ignorePath } = this.#options
    const { authority, clientAddress, method, path } = exchange
    const parts = [authority, clientAddress, ...(ignorePath ? [] : [method, path])]
    // JSON: no value can look like two.
    const text = JSON.stringify([parts, headers.map((name) => exchange.header(name) ?? null)])
    return createHash('sha256').update(text).digest('base64')
  }

  get(key: string): Decision | undefined {
    const kept = this.#kept.get(key)
    if (!kept || kept.expiresAt > performance.now()) return kept?.decision
    this.#kept.delete(key)
    return undefined
  }

  set(key: string, decision: Decision): void {
    if (decision.isCacheable) this.#kept.set(key, { decision, expiresAt: performance.now() + this.#options.ttlMs })
  }
}

function sizeOf({ headers, body }: Decision): number {
  let size = 500 + (body?.byteLength ?? 0)
  for (const [name, value] of headers) size += name.length + value.length
  return size
}
