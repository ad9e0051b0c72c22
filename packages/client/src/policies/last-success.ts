import { BoundedMap, type CallContext, type HeaderFields } from '@sd/core'
import { ResponseBody } from '../message/response-body.ts'
import type { CallFallback, StaticResponse } from './fallback-setting.ts'
import { isSharedRequest, isSharedResponse, readVary, textOf, toSharedFields } from './shared-response.ts'

interface Remembered {
  readonly response: StaticResponse
  readonly at: number
  /** Request fields that the response depends on, with their values. */
  readonly vary: readonly (readonly [string, string])[]
}

/** Remembers the last good responses of one service. */
export interface LastSuccesses {
  /** Records a response once it was read. @param sent header fields of the request as it was sent */
  remember(call: CallContext, response: { status: number; headers: HeaderFields; body: unknown }, sent: HeaderFields): void
  /** The remembered response to the same request. */
  find(call: CallContext): StaticResponse | undefined
}

/**
 * Creates the memory of a `last-success` fallback. It obeys RFC 9111 as a shared cache, which may use stale responses
 * while the service fails (4.2.4), unless a `key` separates callers.
 */
export function createLastSuccesses({
  maxAgeMs = Number.POSITIVE_INFINITY,
  maxEntries = 100,
  maxBytes = 65_536,
  maxTotalBytes = 16_777_216,
  idleMs = 3_600_000,
  key,
}: CallFallback & { readonly kind: 'last-success' }): LastSuccesses {
  const remembered = new BoundedMap<string, Remembered>({ maxEntries, maxWeight: maxTotalBytes, weigh, idleMs })

  function keyOf(call: CallContext): string | undefined {
    if (call.method !== 'GET' || call.headers['range'] !== undefined) return undefined
    if (key) return JSON.stringify([call.path, key(call)])
    return isSharedRequest(call.headers) ? JSON.stringify([call.path, '', call.headers['host'] ?? '']) : undefined
  }

  return {
    remember(call, { status, headers, body }, sent) {
      if (status >= 300 || status === 206 || sent['range'] !== undefined || !(body instanceof ResponseBody)) return
      if (!key && !(isSharedRequest(sent) && isSharedResponse(headers))) return
      const found = keyOf(call)
      const names = key ? [] : readVary(headers)
      if (found === undefined || names === undefined) return
      const vary = names.map((name) => [name, textOf(sent[name])] as const)
      body.tap(maxBytes, (bytes) => {
        const response = { status, headers: toSharedFields(headers), body: bytes }
        remembered.set(found, { response, vary, at: performance.now() })
      })
    },
    find(call) {
      const found = keyOf(call)
      const last = found === undefined ? undefined : remembered.get(found)
      if (!last) return undefined
      const ageMs = performance.now() - last.at
      // A request for a validated response gets no unvalidated one (RFC 9111, 5.2.1.4).
      if (!key && /no-cache/i.test(`${textOf(call.headers['cache-control'])},${textOf(call.headers['pragma'])}`)) return undefined
      if (ageMs > maxAgeMs || last.vary.some(([name, value]) => textOf(call.headers[name]) !== value)) return undefined
      const age = String((Number(textOf(last.response.headers?.['age'])) || 0) + Math.floor(ageMs / 1_000))
      return { ...last.response, headers: { ...last.response.headers, age } }
    },
  }
}

/** Approximate size of an entry, in bytes. */
function weigh(key: string, { response }: Remembered): number {
  const { headers = {}, body = '' } = response
  let fields = 0
  for (const name in headers) fields += name.length + textOf(headers[name]).length
  return key.length + fields + body.length
}
