import { conflictError, parseJsonObject } from '@sd/adapter-kit'
import { isNoConfig, isRefusedByMd5, listenToConfigs, type NacosConnection, type NacosResponse } from '@sd/connection-nacos'
import { type NacosConfigApi, publishParams, readDataKey, readText, type StoredText } from './config-api.ts'
import type { Place, ResolvedNacosConfigSourceOptions } from './options.ts'

const path = '/nacos/v1/cs/configs'
/** Status of Nacos 3 for `show`, which it reserves for the console. */
const gone = 410

/** The v1 API: plain HTTP for single texts, the SDK's long poll for changes. */
export function createV1Api(connection: NacosConnection, { namespace, name }: ResolvedNacosConfigSourceOptions): NacosConfigApi {
  // For servers before 3.0 the namespace `public` has an empty name; the name `public` would be another namespace.
  const tenant = namespace === 'public' ? '' : namespace
  const paramsOf = ({ dataId, group }: Place): Record<string, string> => ({ dataId, group, ...(tenant && { tenant }) })

  async function read(place: Place, signal: AbortSignal): Promise<StoredText | undefined> {
    const response = await connection.exchange({ method: 'GET', path, params: paramsOf(place), accepts: isNoConfig }, signal)
    return toText(response)
  }

  return {
    read,
    async readStored(place, signal) {
      const params = { ...paramsOf(place), show: 'all' }
      const accepts = (response: NacosResponse): boolean => isNoConfig(response) || response.status === gone
      const response = await connection.exchange({ method: 'GET', path, params, accepts }, signal)
      if (response.status === gone) return read(place, signal)
      // rnacos ignores `show` and responds as to any read.
      if (response.status === 404 || response.headers['content-md5']) return toText(response)
      return response.text === '' ? undefined : readText(name, place, parseJsonObject(response.text, `the response of ${name}`))
    },
    async publish(place, text, signal) {
      const { status } = await connection.exchange(
        {
          method: 'POST',
          path,
          params: { ...paramsOf(place), ...publishParams(text) },
          ...(text.ifMd5 !== undefined && { headers: { casMd5: text.ifMd5 } }),
          accepts: isRefusedByMd5,
        },
        signal,
      )
      if (status !== 200) throw conflictError(name, place.key)
    },
    async remove(place, signal) {
      await connection.send({ method: 'DELETE', path, params: paramsOf(place) }, signal)
    },
    listen: (places, onChange, signal) => listenToConfigs(connection, { namespace, places, onChange, signal }),
  }
}

function toText({ status, headers, text }: NacosResponse): StoredText | undefined {
  if (status === 404) return undefined
  const { 'content-md5': contentMd5, 'config-type': type, 'last-modified': modified, 'encrypted-data-key': dataKey } = headers
  const md5 = String(contentMd5 ?? '') || undefined
  return {
    content: text,
    encryptedDataKey: readDataKey(text, md5, dataKey),
    md5,
    type: String(type ?? '') || readMediaType(headers['content-type']),
    updatedAt: Date.parse(modified ?? '') || undefined,
  }
}

/** rnacos reports JSON only by the media type. */
function readMediaType(mediaType: string | undefined): string | undefined {
  return mediaType?.startsWith('application/json') ? 'json' : undefined
}
