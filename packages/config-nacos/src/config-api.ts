import { createHash } from 'node:crypto'
import { formatOfKey } from '@sd/adapter-kit'
import { type ConfigFormat, SdError } from '@sd/core'
import type { Place } from './options.ts'

/** One of Nacos' two HTTP APIs. Everything throws `SdError`. */
export interface NacosConfigApi {
  /** Reads a text; `undefined` if there is none. */
  read(place: Place, signal: AbortSignal): Promise<StoredText | undefined>
  /** Reads a text before it is written: from the database where the server allows that, as `read` may get the text before for some 200 ms. */
  readStored(place: Place, signal: AbortSignal): Promise<StoredText | undefined>
  /** Writes a text. @throws SdError `SD_CONFLICT` if the server has compared and found another MD5 */
  publish(place: Place, text: TextToPublish, signal: AbortSignal): Promise<void>
  /** Removes a text; a missing one is no error. */
  remove(place: Place, signal: AbortSignal): Promise<void>
  /** Calls back when any of these has changed, until the signal fires; where the API can't tell, it only waits. */
  listen(places: readonly Place[], onChange: () => void, signal: AbortSignal): Promise<void>
}

/** A text as Nacos has it. */
export interface StoredText {
  readonly content: string
  /** By the server, if it tells. */
  readonly md5: string | undefined
  /** Nacos' own name of a format. */
  readonly type: string | undefined
  /** What somebody wrote about it, where the server tells. */
  readonly description?: string | undefined
  /** In Unix milliseconds. */
  readonly updatedAt: number | undefined
}

/** A text on its way to Nacos. */
export interface TextToPublish {
  readonly content: string
  /** Nacos' own name of a format; without one, official servers take it for `text`, and rnacos keeps what it had. */
  readonly type: string | undefined
  /** Nacos' description of the text. */
  readonly description: string | undefined
  /** MD5 that the text must still have; not every server looks at it. */
  readonly ifMd5: string | undefined
}

/**
 * A text in JSON: the database's has `type` and `modifyTime`, where that of a v3 client has `contentType` and `lastModified`.
 *
 * @throws SdError `SD_MALFORMED` if there is no content
 */
export function readText(name: string, { key }: Place, data: Readonly<Record<string, unknown>>): StoredText {
  const { content, md5, type, contentType = type, modifyTime, lastModified = modifyTime, desc } = data
  if (typeof content !== 'string') throw new SdError('SD_MALFORMED', `${name} answered ${key} without its content`)
  return {
    content,
    md5: typeof md5 === 'string' ? md5 : undefined,
    type: typeof contentType === 'string' ? contentType : undefined,
    description: typeof desc === 'string' && desc !== '' ? desc : undefined,
    updatedAt: typeof lastModified === 'number' && lastModified > 0 ? lastModified : undefined,
  }
}

/** Most of the parameters that both APIs publish with. */
export function publishParams({ content, type, description }: TextToPublish): Record<string, string> {
  return { content, ...(type !== undefined && { type }), ...(description !== undefined && { desc: description }) }
}

/** MD5 of a text, as Nacos makes it. */
export function md5Of(content: string): string {
  return createHash('md5').update(content).digest('hex')
}

const types: Readonly<Record<string, ConfigFormat>> = { json: 'json', yaml: 'yaml', toml: 'toml', properties: 'properties' }

/** How a text is read. Nacos says `text` where nobody named a type, and has none for `.env` files. */
export function readFormat({ dataId, format }: Place, type: string | undefined): ConfigFormat {
  return format ?? types[type ?? ''] ?? formatOfKey(dataId)
}

/** Nacos' own name of a format, where it has one that says more than `text`. */
export function typeOf(format: ConfigFormat): string | undefined {
  return Object.hasOwn(types, format) ? format : undefined
}
