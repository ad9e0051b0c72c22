import { SdError } from '@sd/core'
import type { StoredText } from './config-api.ts'
import type { NacosSealedText, Place, ResolvedNacosConfigSourceOptions } from './options.ts'

/** Encrypts and decrypts the texts of a source. */
export interface TextEncryption {
  /** Returns the plain text. @throws SdError `SD_MALFORMED` */
  open(place: Place, text: StoredText): Promise<string>
  /** Returns what to write. @param found the text that Nacos has @throws SdError `SD_UNSUPPORTED` */
  seal(place: Place, content: string, found: StoredText | undefined): Promise<Partial<NacosSealedText> & { content: string }>
}

/** Data ids that begin so are encrypted by the plugins of Nacos. */
const prefix = 'cipher-'

/** Creates the encryption of a source. Each text is decrypted once, until it changes. */
export function createTextEncryption({ encryption, name }: ResolvedNacosConfigSourceOptions): TextEncryption {
  const opened = new Map<string, { readonly sealed: string; readonly dataKey: string; readonly content: string }>()

  async function decrypt({ key, dataId, group }: Place, content: string, encryptedDataKey: string): Promise<string> {
    if (!encryption) {
      const message = `${key} was encrypted by a plugin of ${name}: set the option encryption, or publish it in plain`
      // The text can be published in plain later, so a watch waits for that.
      throw new SdError('SD_MALFORMED', message, { retryable: true })
    }
    try {
      const plain: unknown = await encryption.decrypt({ dataId, group, content, encryptedDataKey })
      if (typeof plain === 'string') return plain
      throw new TypeError(`decrypt returned ${typeof plain} instead of a string`)
    } catch (cause) {
      throw new SdError('SD_MALFORMED', `${key} of ${name} can't be decrypted`, { retryable: true, cause })
    }
  }

  return {
    async open(place, { content, encryptedDataKey }) {
      if (encryptedDataKey === undefined) {
        opened.delete(place.key)
        return content
      }
      const before = opened.get(place.key)
      if (before?.sealed === content && before.dataKey === encryptedDataKey) return before.content
      const plain = await decrypt(place, content, encryptedDataKey)
      opened.set(place.key, { sealed: content, dataKey: encryptedDataKey, content: plain })
      return plain
    },
    async seal({ key, dataId, group }, content, found) {
      const encryptedDataKey = found?.encryptedDataKey
      if (encryptedDataKey === undefined && !dataId.startsWith(prefix)) return { content }
      if (encryption?.encrypt) return checkSealed(await encryption.encrypt({ dataId, group, content, encryptedDataKey }))
      // Without a plugin of its own, the server would store the text in plain.
      if (encryptedDataKey !== undefined)
        throw new SdError('SD_UNSUPPORTED', `${name} can't write ${key}, which is encrypted: set encryption.encrypt`)
      return { content }
    },
  }
}

function checkSealed(sealed: unknown): NacosSealedText {
  const { content, encryptedDataKey } = (sealed ?? {}) as Partial<Record<keyof NacosSealedText, unknown>>
  if (typeof content === 'string' && typeof encryptedDataKey === 'string') return { content, encryptedDataKey }
  throw new SdError('SD_INVALID', 'encryption.encrypt must return { content, encryptedDataKey }, two strings')
}
