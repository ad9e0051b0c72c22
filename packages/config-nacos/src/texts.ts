import { type ConfigWrite, checkChosenKey, checkRevision, createConfigDocument, requiredError } from '@sd/adapter-kit'
import type { UseApi } from '@sd/connection-nacos'
import { type ConfigDocument, type ConfigEntry, type ConfigFormat, invalidError, SdError, sleep } from '@sd/core'
import { md5Of, type NacosConfigApi, readFormat, type StoredText, type TextToPublish, typeOf } from './config-api.ts'
import type { Place, ResolvedNacosConfigSourceOptions } from './options.ts'
import type { TextEncryption } from './text-encryption.ts'

/** Reads texts as entries, and prepares texts for writing, on any API. */
export interface Texts {
  /** @throws SdError `SD_INVALID` if the source does not have the key */
  placeOf(key: string): Place
  /** Reads all texts. */
  read(signal: AbortSignal, previous?: ConfigDocument): Promise<ConfigDocument>
  /**
   * Reads the text before a write.
   *
   * @param isCompared whether the server itself compares the revision with the text that it has, if there is one
   * @throws SdError `SD_CONFLICT` if its revision differs from `ifRevision`
   */
  readBefore(place: Place, write: ConfigWrite, isCompared?: boolean): Promise<StoredText | undefined>
  /** Returns what to write: encrypted if it has to be, and with its format. @param found the text that Nacos has */
  prepare(place: Place, content: string, found: StoredText | undefined, signal: AbortSignal): Promise<PreparedText>
}

/** A text that is ready to be written. */
export interface PreparedText {
  readonly format: ConfigFormat
  readonly text: Omit<TextToPublish, 'ifMd5'>
}

/** Time after which readers of an official server see a text that was created, in milliseconds; 140 to 250 on an idle machine. */
const visibleMs = 1_000

/** Creates the texts of a source. */
export function createTexts(
  use: UseApi<NacosConfigApi>,
  encryption: TextEncryption,
  { name, places, required }: ResolvedNacosConfigSourceOptions,
): Texts {
  return {
    placeOf(key) {
      const keys = places.map((one) => one.key)
      checkChosenKey(keys, key)
      return places[keys.indexOf(key)] as Place
    },
    async read(signal, previous) {
      const texts = await Promise.all(places.map((place) => use((one) => one.read(place, signal))))
      const missing = places.filter((_, index) => !texts[index])
      if (required && missing.length > 0) {
        throw requiredError(name, `missing keys: ${missing.map(({ key }) => key).join(', ')}`)
      }
      const entries = await Promise.all(
        places.map(async (place, index) => {
          const text = texts[index]
          return text ? [toEntry(place, text, await encryption.open(place, text))] : []
        }),
      )
      return createConfigDocument(name, entries.flat(), previous)
    },
    async readBefore(place, write, isCompared = false) {
      const read = (): Promise<StoredText | undefined> => use((one) => one.readStored(place, write.signal))
      let found = await read()
      if (isCompared) {
        // A server that compares still creates a text that does not exist. A read may miss one that was created just now.
        const until = performance.now() + visibleMs
        while (!found && performance.now() < until) {
          await sleep(visibleMs / 10, write.signal)
          found = await read()
        }
      }
      if (!isCompared || !found) checkRevision(name, write, found && revisionOf(found))
      return found
    },
    async prepare(place, content, found, signal) {
      if (content.trim() === '')
        throw invalidError('content', 'only white space', 'a non-empty text (Nacos does not store empty ones)')
      const sealed = await encryption.seal(place, content, found)
      if (sealed.encryptedDataKey && !(await use(async (one) => one.storesDataKeys?.(signal)))) {
        throw new SdError('SD_UNSUPPORTED', `${name} can't write ${place.key}: neither v1 nor rnacos stores encrypted data keys`)
      }
      const format = readFormat(place, found?.type)
      return { format, text: { ...sealed, type: typeOf(format) ?? found?.type, description: found?.description } }
    },
  }
}

function revisionOf({ md5, content }: StoredText): string {
  return md5 ?? md5Of(content)
}

function toEntry(place: Place, text: StoredText, content: string): ConfigEntry {
  const { type, updatedAt } = text
  const format = readFormat(place, type)
  return { key: place.key, content, format, revision: revisionOf(text), ...(updatedAt !== undefined && { updatedAt }) }
}
