import { createHash } from 'node:crypto'
import { formatOfKey } from '@sd/adapter-kit'
import { type ConfigFormat, SdError } from '@sd/core'
import type { Place } from './options.ts'

/** One of Nacos' APIs. Everything throws `SdError`. */
export interface NacosConfigApi {
  /** Reads a text; `undefined` if there is none. */
  read(place: Place, signal: AbortSignal): Promise<StoredText | undefined>
  /** Reads a text before a write: from the database if the server allows that, because `read` can return the previous text for some 200 ms. */
  readStored(place: Place, signal: AbortSignal): Promise<StoredText | undefined>
  /** Whether the server compares `ifMd5` with the text that it has. `readStored` may be older than that text then. @default false */
  comparesMd5?(signal: AbortSignal): Promise<boolean>
  /** Writes a text. @throws SdError `SD_CONFLICT` if the server compared the MD5 and it differs */
  publish(place: Place, text: TextToPublish, signal: AbortSignal): Promise<void>
  /** Removes a text; a missing one is not an error. */
  remove(place: Place, signal: AbortSignal): Promise<void>
  /** Returns the methods for gray texts, if the API and the server have them. A server without them would write the text for all. */
  gray?(signal: AbortSignal): Promise<GrayTexts | undefined>
  /** Whether the server stores encrypted data keys. @default false */
  storesDataKeys?(signal: AbortSignal): Promise<boolean>
  /** Calls `onChange` when any of these has changed, until the signal aborts. If the API can't report changes, it only waits. */
  listen(places: readonly Place[], onChange: () => void, signal: AbortSignal): Promise<void>
}

/** Texts for clients at certain addresses, which Nacos calls gray or beta. */
export interface GrayTexts {
  /** Writes one, beside the text of all others. */
  publish(place: Place, text: TextToPublish, addresses: readonly string[], signal: AbortSignal): Promise<void>
  /** Removes it; a missing one is not an error. */
  remove(place: Place, signal: AbortSignal): Promise<void>
}

/** A text as Nacos stores it. */
export interface StoredText {
  readonly content: string
  /** Encrypted data key of a text that a client has encrypted. */
  readonly encryptedDataKey?: string | undefined
  /** MD5 reported by the server, if any. */
  readonly md5: string | undefined
  /** Format name in Nacos. */
  readonly type: string | undefined
  /** Description, if the server reports it. */
  readonly description?: string | undefined
  /** Time of the last change, in Unix milliseconds. */
  readonly updatedAt: number | undefined
}

/** A text to write to Nacos. */
export interface TextToPublish {
  readonly content: string
  /** Format name in Nacos. Without one, official servers set `text`, and rnacos keeps the previous type. */
  readonly type: string | undefined
  /** Description of the text in Nacos. */
  readonly description: string | undefined
  /** MD5 that the text must still have; not every server checks it. */
  readonly ifMd5: string | undefined
  /** Encrypted data key of an encrypted text. */
  readonly encryptedDataKey?: string | undefined
  /** Author for the history. HTTP APIs record the user of the login instead. */
  readonly author?: string | undefined
}

/**
 * Reads a text from JSON. The database has `type` and `modifyTime`, gRPC and the v3 client API `contentType` and
 * `lastModified`.
 *
 * @throws SdError `SD_MALFORMED` if there is no content
 */
export function readText(name: string, { key }: Place, data: Readonly<Record<string, unknown>>): StoredText {
  const { content, md5, type, contentType = type, modifyTime, lastModified = modifyTime, desc } = data
  if (typeof content !== 'string') throw new SdError('SD_MALFORMED', `${name} returned ${key} without its content`)
  return {
    content,
    encryptedDataKey: readDataKey(content, md5, data['encryptedDataKey']),
    md5: typeof md5 === 'string' ? md5 : undefined,
    type: typeof contentType === 'string' ? contentType : undefined,
    description: typeof desc === 'string' && desc !== '' ? desc : undefined,
    updatedAt: typeof lastModified === 'number' && lastModified > 0 ? lastModified : undefined,
  }
}

/** Returns the data key of a text, unless the server has decrypted the text: HTTP APIs do so if the server has the plugin. */
export function readDataKey(content: string, md5: unknown, dataKey: unknown): string | undefined {
  if (typeof dataKey !== 'string' || dataKey === '') return undefined
  return typeof md5 === 'string' && md5 !== md5Of(content) ? undefined : dataKey
}

/** Publish parameters that all APIs share. */
export function publishParams({ content, type, description, encryptedDataKey }: TextToPublish): Record<string, string> {
  return {
    content,
    ...(type !== undefined && { type }),
    ...(description !== undefined && { desc: description }),
    ...(encryptedDataKey && { encryptedDataKey }),
  }
}

/** Whether a response of v3 says that something does not exist, in contrast to a path that the server does not have. */
export function isNotFound(text: string): boolean {
  return /"code"\s*:\s*20004\b/.test(text)
}

/** MD5 of a text, as Nacos computes it. */
export function md5Of(content: string): string {
  return createHash('md5').update(content).digest('hex')
}

const types: Readonly<Record<string, ConfigFormat>> = { json: 'json', yaml: 'yaml', toml: 'toml', properties: 'properties' }

/** Format of a text. Nacos reports `text` if no type was set, and has no type for `.env` files. */
export function readFormat({ dataId, format }: Place, type: string | undefined): ConfigFormat {
  return format ?? types[type ?? ''] ?? formatOfKey(dataId)
}

/** Format name in Nacos, if it is more specific than `text`. */
export function typeOf(format: ConfigFormat): string | undefined {
  return Object.hasOwn(types, format) ? format : undefined
}
