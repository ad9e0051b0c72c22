import { isIP } from 'node:net'
import { checkContent } from '@sd/adapter-kit'
import type { NacosConnection, UseApi } from '@sd/connection-nacos'
import { checkInteger, invalidError, type OperationOptions, SdError, withTimeout } from '@sd/core'
import type { GrayTexts, NacosConfigApi } from './config-api.ts'
import type { ResolvedNacosConfigSourceOptions } from './options.ts'
import type { TextEncryption } from './text-encryption.ts'
import { createTextHistory, type NacosTextChange } from './text-history.ts'
import type { Texts } from './texts.ts'

/** Options of {@link NacosExtras.putGray}. */
export interface NacosGrayOptions extends OperationOptions {
  /** IP addresses of the clients that read the text. By gRPC, that of a client is the one that its route to the server has. */
  readonly addresses: readonly string[]
}

/** Options of {@link NacosExtras.listHistory}. */
export interface NacosHistoryOptions extends OperationOptions {
  /** Maximum number of changes, 1 to 500. @default 100 */
  readonly limit?: number
}

/** What only Nacos has: gray texts, and the history that the server keeps. */
export interface NacosExtras {
  /**
   * Writes a text that only clients at these addresses read, instead of the text of all others. It replaces a gray text that the
   * entry has. @throws SdError `SD_UNSUPPORTED` on v1 and on rnacos
   */
  putGray(key: string, content: string, options: NacosGrayOptions): Promise<void>
  /** Removes the gray text, so that all clients read the same. A missing one is not an error. @throws SdError as `putGray` */
  deleteGray(key: string, options?: OperationOptions): Promise<void>
  /**
   * Lists the changes that the server has recorded, the latest first. Servers keep them for 30 days by default.
   *
   * @throws SdError `SD_UNSUPPORTED` on rnacos, `SD_DENIED` if the user is not an administrator on Nacos 3
   */
  listHistory(key: string, options?: NacosHistoryOptions): Promise<readonly NacosTextChange[]>
  /**
   * Reads the text of a change: the one that it replaced or removed, or the one that it created. @throws SdError `SD_NOT_FOUND`,
   * and as `listHistory`
   */
  readHistory(key: string, id: string, options?: OperationOptions): Promise<string>
}

/** Options of {@link createNacosExtras}. */
export interface NacosExtrasOptions {
  readonly connection: NacosConnection
  readonly use: UseApi<NacosConfigApi>
  readonly texts: Texts
  readonly encryption: TextEncryption
  readonly settings: ResolvedNacosConfigSourceOptions
}

const mebibyte = 1_048_576

/** Creates the methods of a source. */
export function createNacosExtras({ connection, use, texts, encryption, settings }: NacosExtrasOptions): NacosExtras {
  const { name, operationTimeoutMs: timeoutMs } = settings
  const history = createTextHistory(connection, settings)

  /** `use` would repeat a gray write on another API, which could write for all clients. */
  async function findGray(signal: AbortSignal): Promise<GrayTexts> {
    const gray = await use(async (one) => one.gray?.(signal))
    if (gray) return gray
    throw new SdError('SD_UNSUPPORTED', `${name} has no gray texts: they need gRPC or v3, and an official server`)
  }

  function operate<T>(what: string, { signal }: OperationOptions, work: (inner: AbortSignal) => Promise<T>): Promise<T> {
    return withTimeout({ timeoutMs, what: `${name} ${what}`, signal }, work)
  }

  return {
    async putGray(key, content, { addresses, ...own }) {
      const place = texts.placeOf(key)
      checkContent('content', content, mebibyte)
      checkAddresses(addresses)
      await operate('gray text', own, async (signal) => {
        const gray = await findGray(signal)
        const found = await use((one) => one.readStored(place, signal))
        const { text } = await texts.prepare(place, content, found, signal)
        await gray.publish(place, { ...text, ifMd5: undefined }, addresses, signal)
      })
    },
    async deleteGray(key, own = {}) {
      const place = texts.placeOf(key)
      await operate('gray text', own, async (signal) => (await findGray(signal)).remove(place, signal))
    },
    async listHistory(key, { limit = 100, ...own } = {}) {
      const place = texts.placeOf(key)
      checkInteger('limit', limit, { min: 1, max: 500 })
      return operate('history', own, (signal) => history.list(place, limit, signal))
    },
    async readHistory(key, id, own = {}) {
      const place = texts.placeOf(key)
      if (typeof id !== 'string' || !/^\d{1,20}$/.test(id)) throw invalidError('id', id, 'the id of a change in the history')
      return operate('history', own, async (signal) => encryption.open(place, await history.read(place, id, signal)))
    },
  }
}

function checkAddresses(value: unknown): void {
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && isIP(one) > 0)) return
  throw invalidError('addresses', value, 'an array of IP addresses')
}
