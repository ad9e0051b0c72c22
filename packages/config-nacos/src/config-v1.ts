import { isNoConfig, listenToConfigs, type NacosConnection } from '@sd/connection-nacos'
import { configConflict } from '@sd/core'
import { isRefusedByMd5, type NacosConfigApi, publishParams } from './config-api.ts'
import type { NacosConfigSettings, Place } from './options.ts'

const path = '/nacos/v1/cs/configs'

/** The v1 API: plain HTTP for single texts, the SDK's long poll for changes. */
export function createV1Api(connection: NacosConnection, { namespace, name }: NacosConfigSettings): NacosConfigApi {
  // Servers before 3.0 know the namespace `public` by no name, and take its name for another one.
  const tenant = namespace === 'public' ? '' : namespace
  const paramsOf = ({ dataId, group }: Place): Record<string, string> => ({ dataId, group, ...(tenant && { tenant }) })

  return {
    async read(place, signal) {
      const request = { method: 'GET', path, params: paramsOf(place), accepts: isNoConfig } as const
      const { status, headers, text } = await connection.exchange(request, signal)
      if (status === 404) return undefined
      const { 'content-md5': md5, 'config-type': type, 'last-modified': modified } = headers
      return {
        content: text,
        md5: String(md5 ?? '') || undefined,
        type: String(type ?? '') || readMediaType(headers['content-type']),
        updatedAt: Date.parse(modified ?? '') || undefined,
      }
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
      if (status !== 200) throw configConflict(name, place.key)
    },
    async remove(place, signal) {
      await connection.send({ method: 'DELETE', path, params: paramsOf(place) }, signal)
    },
    listen: (places, onChange, signal) => listenToConfigs(connection, { namespace, places, onChange, signal }),
  }
}

/** rnacos tells JSON by the media type alone. */
function readMediaType(mediaType: string | undefined): string | undefined {
  return mediaType?.startsWith('application/json') ? 'json' : undefined
}
