import { conflictError, parseJsonObject } from '@sd/adapter-kit'
import { isNoConfig, isRefusedByMd5, listenToConfigs, type NacosConnection, type NacosResponse } from '@sd/connection-nacos'
import { type NacosConfigApi, publishParams, readText, type StoredText } from './config-api.ts'
import type { Place, ResolvedNacosConfigSourceOptions } from './options.ts'

const path = '/nacos/v1/cs/configs'
/** How Nacos 3 answers to `show`, which it keeps for the console. */
const gone = 410

/** The v1 API: plain HTTP for single texts, the SDK's long poll for changes. */
export function createV1Api(connection: NacosConnection, { namespace, name }: ResolvedNacosConfigSourceOptions): NacosConfigApi {
  // Servers before 3.0 know the namespace `public` by no name, and take its name for another one.
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
      // rnacos does not know `show` and answers as to any read.
      if (response.status === 404 || response.headers['content-md5']) return toText(response)
      return response.text === '' ? undefined : readText(name, place, parseJsonObject(response.text, `the answer of ${name}`))
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
  const { 'content-md5': md5, 'config-type': type, 'last-modified': modified } = headers
  return {
    content: text,
    md5: String(md5 ?? '') || undefined,
    type: String(type ?? '') || readMediaType(headers['content-type']),
    updatedAt: Date.parse(modified ?? '') || undefined,
  }
}

/** rnacos tells JSON by the media type alone. */
function readMediaType(mediaType: string | undefined): string | undefined {
  return mediaType?.startsWith('application/json') ? 'json' : undefined
}
