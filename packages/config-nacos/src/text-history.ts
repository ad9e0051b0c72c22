import { parseJsonObject } from '@sd/adapter-kit'
import { isMissing, type NacosConnection, type NacosResponse } from '@sd/connection-nacos'
import { SdError } from '@sd/core'
import { isNotFound, readText, type StoredText } from './config-api.ts'
import type { Place, ResolvedNacosConfigSourceOptions } from './options.ts'

/** A change of a text that the server has recorded. */
export interface NacosTextChange {
  /** Id of the record, for `readHistory`. */
  readonly id: string
  /** What happened to the text. */
  readonly change: 'created' | 'updated' | 'removed'
  /** Whether it was a change of the gray text. */
  readonly isGray: boolean
  /** Time of the change, in Unix milliseconds. */
  readonly changedAt: number
  /** Author of a write by gRPC, user of the login over HTTP. */
  readonly user: string | undefined
  /** Address from which it was made. */
  readonly address: string | undefined
}

/** Reads what servers record of texts. No client API has it: it is the admin API of Nacos 3, or v1. */
export interface TextHistory {
  /** Lists changes, the latest first. */
  list(place: Place, limit: number, signal: AbortSignal): Promise<readonly NacosTextChange[]>
  /** Reads the text of a record. @throws SdError `SD_NOT_FOUND` */
  read(place: Place, id: string, signal: AbortSignal): Promise<StoredText>
}

type Body = Readonly<Record<string, unknown>>

const changes: Readonly<Record<string, NacosTextChange['change']>> = { I: 'created', U: 'updated', D: 'removed' }

/** Creates the reader of one source. */
export function createTextHistory(connection: NacosConnection, settings: ResolvedNacosConfigSourceOptions): TextHistory {
  const { name, namespace } = settings

  async function ask(place: Place, isList: boolean, own: Record<string, string>, signal: AbortSignal): Promise<Body> {
    const { dataId, group } = place
    const accepts = ({ text }: NacosResponse): boolean => isNotFound(text)
    const current = {
      method: 'GET',
      path: `/nacos/v3/admin/cs/history${isList ? '/list' : ''}`,
      params: { namespaceId: namespace, groupName: group, dataId, ...own },
    } as const
    const tenant = namespace === 'public' ? '' : namespace
    const before3 = {
      method: 'GET',
      path: '/nacos/v1/cs/history',
      params: { tenant, group, dataId, ...(isList && { search: 'accurate' }), ...own },
    } as const
    try {
      const { text } = await connection.exchange({ ...current, accepts }, signal)
      return (parseJsonObject(text, `the history of ${name}`)['data'] ?? {}) as Body
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    const text = await connection.send(before3, signal).catch((error: unknown) => {
      throw isMissing(error) ? new SdError('SD_UNSUPPORTED', `the server of ${name} has no history`, { cause: error }) : error
    })
    return text === '' ? {} : parseJsonObject(text, `the history of ${name}`)
  }

  return {
    async list(place, limit, signal) {
      const { pageItems } = await ask(place, true, { pageNo: '1', pageSize: String(limit) }, signal)
      if (!Array.isArray(pageItems))
        throw new SdError('SD_MALFORMED', `${name} returned the history of ${place.key} without a list`)
      return pageItems.map(readChange)
    },
    async read(place, id, signal) {
      const found = await ask(place, false, { nid: id }, signal)
      if (typeof found['content'] === 'string') return readText(name, place, found)
      throw new SdError('SD_NOT_FOUND', `${name} has no record ${id} of ${place.key}`)
    },
  }
}

/** The admin API has `modifyTime` in milliseconds, v1 `lastModifiedTime` as a text. The type is padded to ten characters. */
function readChange(item: Body): NacosTextChange {
  const { id, opType, publishType, srcUser, srcIp, modifyTime, lastModifiedTime } = item
  const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
  return {
    id: String(id),
    change: changes[String(opType).trim()] ?? 'updated',
    isGray: publishType === 'gray',
    changedAt: typeof modifyTime === 'number' ? modifyTime : Date.parse(String(lastModifiedTime)),
    user: textOf(srcUser),
    address: textOf(srcIp),
  }
}
