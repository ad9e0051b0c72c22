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
 * Creates a source that reads and writes data ids in Nacos.
 *
 * @throws SdError `SD_INVALID` naming the option
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
      throw new SdError('SD_NOT_FOUND', `${name}: required but missing: ${keys}`, { retryable: true })
    }
    const entries = places.flatMap((place, index) => toEntry(place, texts[index]))
    return createConfigDocument(name, entries, previous)
  }

  /** Reads the text before a write. @throws SdError `SD_CONFLICT` if its revision differs from `ifRevision` */
  async function readBefore(place: Place, write: ConfigWrite): Promise<StoredText | undefined> {
    const found = await use((one) => one.readStored(place, write.signal))
    checkRevision(name, write, toEntry(place, found)[0]?.revision)
    return found
  }

  /** One session: reads at an interval, and at once when the server reports a change. */
  async function follow({ offer, previous, signal }: WatchSession<ConfigDocument>): Promise<void> {
    const what = `${name} read`
    let listening: Promise<void> | undefined
    let notifyChange = (): void => undefined
    for (;;) {
      const change = Promise.withResolvers<void>()
      notifyChange = () => change.resolve()
      offer(await withTimeout({ timeoutMs: operationTimeoutMs, what, signal }, (inner) => read(inner, previous())))
      listening ??= use((one) => one.listen(places, () => notifyChange(), signal))
      // It can fail during a read, when nothing awaits it; the next wait then throws.
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
      if (content.trim() === '')
        throw invalidError('content', 'only white space', 'a non-empty text (Nacos does not store empty ones)')
      const found = await readBefore(place, write)
      const format = readFormat(place, found?.type)
      // Nacos clears a description that is not sent.
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
