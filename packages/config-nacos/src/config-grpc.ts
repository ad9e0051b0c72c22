import { conflictError } from '@sd/adapter-kit'
import { isRefusedByMd5, type NacosConnection, untilSessionEnds } from '@sd/connection-nacos'
import { type NacosConfigApi, publishParams, readText, type StoredText, type TextToPublish } from './config-api.ts'
import { removeGray } from './gray-texts.ts'
import type { Place, ResolvedNacosConfigSourceOptions } from './options.ts'

/** `errorCode` of Nacos for a text that does not exist. */
const notFound = 300

/** gRPC: the server pushes changes, and compares MD5 sums when it writes. */
export function createGrpcApi(connection: NacosConnection, settings: ResolvedNacosConfigSourceOptions): NacosConfigApi {
  const { name, operationTimeoutMs } = settings
  const grpc = connection.grpc('config')
  // For servers before 3.0 the namespace `public` has an empty name; the name `public` would be another namespace.
  const tenant = settings.namespace === 'public' ? '' : settings.namespace
  /** MD5 of each text that was read last, so that the server reports what has changed since. */
  const known = new Map<string, string>()
  const bodyOf = ({ dataId, group }: Place): Record<string, unknown> => ({ module: 'config', dataId, group, tenant })

  async function read(place: Place, signal: AbortSignal): Promise<StoredText | undefined> {
    const accepts = ({ errorCode }: Readonly<Record<string, unknown>>): boolean => errorCode === notFound
    const response = await grpc.request({ type: 'ConfigQueryRequest', body: bodyOf(place), accepts }, signal)
    if (accepts(response)) {
      known.delete(place.key)
      return undefined
    }
    const text = readText(name, place, response)
    known.set(place.key, text.md5 ?? '')
    return text
  }

  const isOfficial = async (signal: AbortSignal): Promise<boolean> => !(await grpc.session(signal)).isRnacos

  async function publish(
    place: Place,
    text: TextToPublish,
    signal: AbortSignal,
    more: Record<string, string> = {},
  ): Promise<void> {
    const { content, ...params } = publishParams(text)
    const additionMap = { ...params, ...(text.author && { src_user: text.author }), ...more }
    const body = { ...bodyOf(place), content, additionMap, ...(text.ifMd5 !== undefined && { casMd5: text.ifMd5 }) }
    const isRefused = ({ message }: Readonly<Record<string, unknown>>): boolean =>
      isRefusedByMd5({ status: 500, text: String(message ?? '') })
    const response = await grpc.request({ type: 'ConfigPublishRequest', body, accepts: isRefused }, signal)
    if (isRefused(response)) throw conflictError(name, place.key)
  }

  return {
    read,
    readStored: read,
    comparesMd5: isOfficial,
    storesDataKeys: isOfficial,
    publish,
    async gray(signal) {
      if (!(await isOfficial(signal))) return undefined
      return {
        publish: (place, text, addresses, inner) => publish(place, text, inner, { betaIps: addresses.join(',') }),
        remove: (place, inner) => removeGray(connection, settings, place, inner),
      }
    },
    async remove(place, signal) {
      await grpc.request({ type: 'ConfigRemoveRequest', body: bodyOf(place) }, signal)
    },
    async listen(places, onChange, signal) {
      const session = await grpc.session(signal)
      const ask = (listen: boolean, inner: AbortSignal): Promise<Readonly<Record<string, unknown>>> => {
        const contexts = places.map((place) => ({
          dataId: place.dataId,
          group: place.group,
          tenant,
          md5: known.get(place.key) ?? '',
        }))
        const body = { module: 'config', listen, configListenContexts: contexts }
        return grpc.request({ type: 'ConfigBatchListenRequest', body, session }, inner)
      }
      const stop = grpc.onPush('ConfigChangeNotifyRequest', ({ dataId, group }, from) => {
        if (from === session && places.some((place) => place.dataId === dataId && place.group === group)) onChange()
      })
      try {
        const { changedConfigs } = await ask(true, signal)
        if (Array.isArray(changedConfigs) && changedConfigs.length > 0) onChange()
        await untilSessionEnds(session, signal)
      } finally {
        stop()
        if (!session.signal.aborted) await ask(false, AbortSignal.timeout(operationTimeoutMs)).catch(() => undefined)
      }
    },
  }
}
