import { assembleWritableConfigSource, type ConfigWrite, checkRevision, createConfigDocument } from '@sd/adapter-kit'
import { createApiChoice, createNacosConnection } from '@sd/connection-nacos'
import {
  type ConfigDocument,
  type ConfigEntry,
  invalidError,
  SdError,
  settlesWithin,
  type WatchSession,
  type WritableConfigSource,
  withTimeout,
} from '@sd/core'
import { md5Of, type NacosConfigApi, readFormat, type StoredText, typeOf } from './config-api.ts'
import { createV1Api } from './config-v1.ts'
import { createV3Api } from './config-v3.ts'
import { type NacosConfigSourceOptions, type Place, resolveNacosConfigSourceOptions } from './options.ts'

/**
 * Configuration in Nacos: the texts of some data ids.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createNacosConfigSource(options: NacosConfigSourceOptions): WritableConfigSource {
  const settings = resolveNacosConfigSourceOptions(options)
  const { api, places, required, refreshIntervalMs, operationTimeoutMs, name } = settings
  const connection = createNacosConnection(settings)
  const use = createApiChoice<NacosConfigApi>(settings, {
    v1: () => createV1Api(connection, settings),
    v3: () => createV3Api(connection, settings),
    probe: (one, signal) => one.read(places[0] as Place, signal),
  })

  function placeOf(key: string): Place {
    const place = places.find((one) => one.key === key)
    if (place) return place
    throw invalidError('key', key, `one of ${places.map((one) => one.key).join(', ')}`)
  }

  async function read(signal: AbortSignal, previous?: ConfigDocument): Promise<ConfigDocument> {
    const texts = await Promise.all(places.map((place) => use((one) => one.read(place, signal))))
    const missing = places.filter((_, index) => !texts[index])
    if (required && missing.length > 0) {
      const keys = missing.map(({ key }) => key).join(', ')
      throw new SdError('SD_NOT_FOUND', `${name}: there is no ${keys} (required)`, { retryable: true })
    }
    const entries = places.flatMap((place, index) => toEntry(place, texts[index]))
    return createConfigDocument(name, entries, previous)
  }

  /** What is there before a write. @throws SdError `SD_CONFLICT` if it must have another revision */
  async function readBefore(place: Place, write: ConfigWrite): Promise<StoredText | undefined> {
    const found = await use((one) => one.readStored(place, write.signal))
    checkRevision(name, write, toEntry(place, found)[0]?.revision)
    return found
  }

  /** One session: reads at an interval, and at once when the server tells of a change. */
  async function follow({ offer, previous, signal }: WatchSession<ConfigDocument>): Promise<void> {
    const what = `${name} read`
    let listening: Promise<void> | undefined
    let tellChange = (): void => undefined
    for (;;) {
      const change = Promise.withResolvers<void>()
      tellChange = () => change.resolve()
      offer(await withTimeout({ timeoutMs: operationTimeoutMs, what, signal }, (inner) => read(inner, previous())))
      listening ??= use((one) => one.listen(places, () => tellChange(), signal))
      // It may fail while nobody waits for it, during a read; the next wait throws then.
      listening.catch(() => undefined)
      await settlesWithin(Promise.race([change.promise, listening]), refreshIntervalMs * (0.9 + Math.random() * 0.1))
      if (signal.aborted) return
    }
  }

  return assembleWritableConfigSource({
    name,
    capabilities: { watch: api === 'v1' ? 'push' : 'poll', write: true, compareAndSet: false, annotations: false },
    operationTimeoutMs,
    read: ({ signal }) => read(signal),
    follow,
    async put(content, write) {
      const { key, ifRevision, comment, signal } = write
      const place = placeOf(key)
      if (content.trim() === '') throw invalidError('content', 'nothing but white space', 'a text: Nacos keeps no empty ones')
      const found = await readBefore(place, write)
      const format = readFormat(place, found?.type)
      // What is not sent along Nacos takes away.
      const description = comment ?? found?.description
      const text = { content, type: typeOf(format) ?? found?.type, description, ifMd5: ifRevision ?? undefined }
      await use((one) => one.publish(place, text, signal))
      return { key, content, format, revision: md5Of(content) }
    },
    async remove(write) {
      const place = placeOf(write.key)
      if (write.ifRevision !== undefined) await readBefore(place, write)
      await use((one) => one.remove(place, write.signal))
    },
    close: () => connection.close(),
  })
}

function toEntry(place: Place, text: StoredText | undefined): readonly ConfigEntry[] {
  if (!text) return []
  const { content, md5, type, updatedAt } = text
  const format = readFormat(place, type)
  return [{ key: place.key, content, format, revision: md5 ?? md5Of(content), ...(updatedAt !== undefined && { updatedAt }) }]
}
