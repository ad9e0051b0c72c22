import { assembleWritableConfigSource } from '@sd/adapter-kit'
import { createApiChoice, createNacosConnection } from '@sd/connection-nacos'
import { type ConfigDocument, settlesWithin, sleep, type WatchSession, type WritableConfigSource, withTimeout } from '@sd/core'
import { md5Of, type NacosConfigApi } from './config-api.ts'
import { createGrpcApi } from './config-grpc.ts'
import { createV1Api } from './config-v1.ts'
import { createV3Api } from './config-v3.ts'
import { createNacosExtras, type NacosExtras } from './nacos-extras.ts'
import { type NacosConfigSourceOptions, type Place, resolveNacosConfigSourceOptions } from './options.ts'
import { createTextEncryption } from './text-encryption.ts'
import { createTexts } from './texts.ts'

/**
 * How long a text that is missing after an outage is read again before its removal is reported, in milliseconds. rnacos accepts
 * requests before it has loaded its data.
 */
const confirmRemovalMs = 3_000
const confirmIntervalMs = 200

/** A source in Nacos, with what only Nacos has. */
export interface NacosConfigSource extends WritableConfigSource, NacosExtras {}

/**
 * Creates a source that reads and writes data ids in Nacos.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createNacosConfigSource(options: NacosConfigSourceOptions): NacosConfigSource {
  const settings = resolveNacosConfigSourceOptions(options)
  const { api, places, refreshIntervalMs, operationTimeoutMs, name } = settings
  const connection = createNacosConnection(settings)
  const use = createApiChoice<NacosConfigApi>(settings, {
    grpc: () => createGrpcApi(connection, settings),
    v1: () => createV1Api(connection, settings),
    v3: () => createV3Api(connection, settings),
    probe: (one, signal) => one.read(places[0] as Place, signal),
  })
  const encryption = createTextEncryption(settings)
  const texts = createTexts(use, encryption, settings)

  /** One session: reads at an interval, and at once when the server reports a change. */
  async function follow({ offer, previous, signal }: WatchSession<ConfigDocument>): Promise<void> {
    const what = `${name} read`
    const read = () => withTimeout({ timeoutMs: operationTimeoutMs, what, signal }, (inner) => texts.read(inner, previous()))
    let readNext = () => readUntilComplete(read, previous(), signal)
    let listening: Promise<void> | undefined
    let notifyChange = (): void => undefined
    for (;;) {
      const change = Promise.withResolvers<void>()
      notifyChange = () => change.resolve()
      offer(await readNext())
      readNext = read
      listening ??= use((one) => one.listen(places, () => notifyChange(), signal))
      // It can fail during a read, when nothing awaits it; the next wait then throws.
      listening.catch(() => undefined)
      await settlesWithin(Promise.race([change.promise, listening]), refreshIntervalMs * (0.9 + Math.random() * 0.1))
      if (signal.aborted) return
    }
  }

  const source = assembleWritableConfigSource({
    name,
    capabilities: {
      watch: api === 'v1' || api === 'grpc' ? 'push' : 'poll',
      write: true,
      compareAndSet: false,
      annotations: false,
    },
    operationTimeoutMs,
    read: ({ signal }) => texts.read(signal),
    follow,
    async put(content, write) {
      const { key, ifRevision, author, comment, signal } = write
      const place = texts.placeOf(key)
      // Servers take a blank MD5 for none, and would write unconditionally.
      const isCompared = Boolean(ifRevision?.trim()) && (await use(async (one) => one.comparesMd5?.(signal))) === true
      const found = await texts.readBefore(place, write, isCompared)
      const { format, text } = await texts.prepare(place, content, found, signal)
      // Nacos clears a description that is not sent.
      const description = comment ?? text.description
      await use((one) => one.publish(place, { ...text, author, description, ifMd5: ifRevision ?? undefined }, signal))
      return { key, content, format, revision: md5Of(text.content) }
    },
    async remove(write) {
      const place = texts.placeOf(write.key)
      if (write.ifRevision !== undefined) await texts.readBefore(place, write)
      await use((one) => one.remove(place, write.signal))
    },
    close: () => connection.close(),
  })

  return Object.assign(source, createNacosExtras({ connection, use, texts, encryption, settings }))
}

/** Reads until no text of the document before is missing, or its removal is confirmed. */
async function readUntilComplete(
  read: () => Promise<ConfigDocument>,
  before: ConfigDocument | undefined,
  signal: AbortSignal,
): Promise<ConfigDocument> {
  const endAt = performance.now() + confirmRemovalMs
  for (;;) {
    const document = await read()
    const present = new Set(document.entries.map(({ key }) => key))
    const isComplete = !before || before.entries.every(({ key }) => present.has(key))
    if (isComplete || performance.now() >= endAt) return document
    await sleep(confirmIntervalMs, signal, true)
  }
}
