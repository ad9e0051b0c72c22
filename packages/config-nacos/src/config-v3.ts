import { conflictError, parseJsonObject } from '@sd/adapter-kit'
import { isRefusedByMd5, type NacosConnection, type NacosExchange } from '@sd/connection-nacos'
import { SdError, untilAborted } from '@sd/core'
import { isNotFound, type NacosConfigApi, publishParams, readText, type StoredText, type TextToPublish } from './config-api.ts'
import { removeGray } from './gray-texts.ts'
import type { Place, ResolvedNacosConfigSourceOptions } from './options.ts'

const clientPath = '/nacos/v3/client/cs/config'
const adminPath = '/nacos/v3/admin/cs/config'

/** Code of Nacos for a text that does not exist. */
const notFound = 20_004

/** Nacos 3: the client API reads and the admin API writes. Neither reports changes over HTTP. */
export function createV3Api(connection: NacosConnection, settings: ResolvedNacosConfigSourceOptions): NacosConfigApi {
  const { namespace, name } = settings
  const paramsOf = ({ dataId, group }: Place): Record<string, string> => ({
    namespaceId: namespace,
    groupName: group,
    dataId,
  })

  /** @returns the data of a successful response, `undefined` if the text does not exist */
  async function call(request: NacosExchange, signal: AbortSignal): Promise<unknown> {
    const { status, text } = await connection.exchange(
      { ...request, accepts: (response) => isNotFound(response.text) || isRefusedByMd5(response) },
      signal,
    )
    if (isRefusedByMd5({ status, text })) throw conflictError(name, request.params['dataId'] ?? '')
    const { code, message, data } = parseJsonObject(text, `the response of ${name}`)
    if (code === notFound) return undefined
    if (code === 0) return data
    throw new SdError('SD_UNAVAILABLE', `${name} responded with code ${String(code)}: ${String(message)}`)
  }

  async function get(path: string, place: Place, signal: AbortSignal): Promise<StoredText | undefined> {
    const data = await call({ method: 'GET', path, params: paramsOf(place) }, signal)
    if (data === undefined) return undefined
    return readText(name, place, (data ?? {}) as Readonly<Record<string, unknown>>)
  }

  async function publish(
    place: Place,
    text: TextToPublish,
    signal: AbortSignal,
    more: Record<string, string> = {},
  ): Promise<void> {
    const headers = { ...(text.ifMd5 !== undefined && { casMd5: text.ifMd5 }), ...more }
    await call({ method: 'POST', path: adminPath, params: { ...paramsOf(place), ...publishParams(text) }, headers }, signal)
  }

  return {
    read: (place, signal) => get(clientPath, place, signal),
    readStored: (place, signal) => get(adminPath, place, signal),
    publish,
    storesDataKeys: async () => true,
    gray: async () => ({
      publish: (place, text, addresses, signal) => publish(place, text, signal, { betaIps: addresses.join(',') }),
      remove: (place, signal) => removeGray(connection, settings, place, signal),
    }),
    async remove(place, signal) {
      await call({ method: 'DELETE', path: adminPath, params: paramsOf(place) }, signal)
    },
    listen: (_, __, signal) => untilAborted(signal),
  }
}
