import type { RawFields } from './fields.ts'

/** A complete response in a store. Plain data: stores may serialise it. */
export interface StoredResponse {
  /** Key under which it is stored: the zone and the URL. */
  readonly key: string
  readonly status: number
  /** Names in lower case and values in turn, without `content-length`, `age` and fields of one connection. */
  readonly rawHeaders: RawFields
  /** The body, as the service has coded it. */
  readonly body: Uint8Array
  /** Trailer fields, names and values in turn. */
  readonly rawTrailers: RawFields
  /** Fields in `vary`, each with the normalised value of its request. */
  readonly selection: readonly (readonly [name: string, value: string])[]
  /** Names by which it can be purged: from the fields `cache-tag` and `surrogate-key`. */
  readonly tags: readonly string[]
  /** When its request was sent, by `Date.now()`. */
  readonly requestedAt: number
  /** When its head arrived, by `Date.now()`. */
  readonly receivedAt: number
  /** Age when it arrived, in milliseconds. */
  readonly initialAgeMs: number
  /** When it is of no more use, by `Date.now()`. */
  readonly keepUntil: number
}

/** Which responses a purge removes. */
export type PurgeMatch =
  | { readonly key: string }
  /** Keys that begin with this text. */
  | { readonly prefix: string }
  /** Responses with this tag. */
  | { readonly tag: string }

/** Whether a purge removes a response. */
export function isPurged(match: PurgeMatch, { key, tags }: Pick<StoredResponse, 'key' | 'tags'>): boolean {
  if ('key' in match) return key === match.key
  return 'prefix' in match ? key.startsWith(match.prefix) : tags.includes(match.tag)
}
