import { createHash, createHmac } from 'node:crypto'
import { type ConfigAnswer, toWireError } from '@sd/core'
import type { LiveConfigVersion } from './committed-config.ts'
import { explainPath } from './explain.ts'
import type { LiveConfig } from './live-config.ts'
import { splitPath } from './path.ts'
import { maskValue } from './secrets.ts'

/** Length of a digest, in hexadecimal digits: 64 bits tell the configurations of a fleet apart. */
const digestLength = 16

/** Longest value in an answer, in characters of JSON. */
const longestValue = 262_144

/** Creates a function that computes the digest of a configuration once per version, see `ConfigStateReport.digest`. */
export function createDigest(digestKey: string | undefined): (version: LiveConfigVersion) => string {
  let known: { readonly version: LiveConfigVersion; readonly digest: string } | undefined
  return (version) => {
    if (known?.version !== version) known = { version, digest: computeDigest(version, digestKey) }
    return known.digest
  }
}

function computeDigest({ value, isSecret, redact }: LiveConfigVersion, digestKey: string | undefined): string {
  const seen = digestKey === undefined ? maskValue(value, [], isSecret, redact) : value
  const hash = digestKey === undefined ? createHash('sha256') : createHmac('sha256', digestKey)
  return hash
    .update(JSON.stringify(plainOf(seen, [])))
    .digest('hex')
    .slice(0, digestLength)
}

/** A configuration as plain data, for inquiries. @param path explains the value there; `''` is the whole configuration */
export function answerConfig(config: string, live: LiveConfig, digest: string, path: string | undefined): ConfigAnswer {
  const { version, updatedAt, stale, refused } = live.status()
  return {
    config,
    version,
    updatedAt,
    digest,
    sources: live.sources.map((source) => {
      const isStale = stale.find((one) => one.source === source)
      const isRefused = refused.find((one) => one.source === source)
      return {
        source,
        ...(isStale && { stale: { since: isStale.since, error: toWireError(isStale.error), isSnapshot: isStale.isSnapshot } }),
        ...(isRefused && { refused: { since: isRefused.since, failures: isRefused.failures } }),
      }
    }),
    ...(path !== undefined && { explanation: explainPlainly(live, path) }),
  }
}

function explainPlainly(live: LiveConfig, path: string): ConfigAnswer['explanation'] {
  const { overrode, value, written, ...rest } = explainPath(path === '' ? [] : splitPath('path', path), live.current)
  return {
    ...rest,
    value: toPlain(value),
    written: toPlain(written),
    overrode: overrode.map((origin) => ({ ...origin, written: toPlain(origin.written) })),
  }
}

/** Limits the size of a value in an answer. A larger one becomes a text that says so. */
function toPlain(value: unknown): unknown {
  const plain = plainOf(value, [])
  const { length } = JSON.stringify(plain)
  return length > longestValue ? `(${length} characters of JSON; ask for a longer path)` : plain
}

/** Turns a value of a schema, which may be of any class, into JSON data with sorted keys: equal values have equal texts. */
function plainOf(value: unknown, ancestors: readonly object[]): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') return null
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (ancestors.includes(value)) return '(circular)'
  const inner = [...ancestors, value]
  if (value instanceof Date || value instanceof URL) return value.toJSON()
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, (item) => plainOf(item, inner))
  const entries = value instanceof Map ? [...value].map(([key, item]) => [String(key), item] as const) : Object.entries(value)
  const present = entries.filter(([, item]) => item !== undefined && typeof item !== 'function')
  return Object.fromEntries(present.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, plainOf(item, inner)]))
}
