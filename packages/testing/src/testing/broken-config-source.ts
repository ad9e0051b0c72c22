import { setTimeout as delay } from 'node:timers/promises'
import type { ConfigDocument, ConfigEntry, ConfigWriteOptions, OperationOptions, Watched, WritableConfigSource } from '@sd/core'

/** Ways to break the visible behaviour of a source. */
export type ConfigSurfaceMutation =
  | 'declares no write capability'
  | 'queues changes'
  | 'opens a watch per consumer'
  | 'ignores the signal'
  | 'accepts any content'
  | 'writes during an outage'
  | 'closes slowly'
  | 'ignores close'
  | 'works after close'
  | 'leaves timers'

/** A working source, and what is needed to break it. */
interface SoundConfigSource {
  readonly source: WritableConfigSource
  /** Opens another source. */
  readonly another: () => WritableConfigSource
  /** Writes without validation. */
  readonly write: (key: string, content: string) => ConfigEntry
}

/** Breaks the visible behaviour of a source. */
export function breakConfigSource(sound: SoundConfigSource, mutation: string): WritableConfigSource {
  const { source } = sound
  const broken: WritableConfigSource = {
    ...source,
    get state() {
      return source.state
    },
    ...breaks[mutation as ConfigSurfaceMutation]?.(sound),
    [Symbol.asyncDispose]: () => broken.close(),
  }
  return broken
}

const breaks: Readonly<Record<ConfigSurfaceMutation, (sound: SoundConfigSource) => Partial<WritableConfigSource>>> = {
  'declares no write capability': ({ source }) => ({ capabilities: { ...source.capabilities, write: false } }),
  'queues changes': ({ source }) => ({ watch: (options) => watchAll(source, options) }),
  'opens a watch per consumer': ({ another }) => ({ watch: (options) => another().watch(options) }),
  'ignores the signal': ({ source }) => ({
    load: () => source.load(),
    watch: () => source.watch(),
    put: (key, content, options) => source.put(key, content, withoutSignal(options)),
    delete: (key, options) => source.delete(key, withoutSignal(options)),
  }),
  'accepts any content': ({ write }) => ({ put: async (key, content) => write(key, content) }),
  'writes during an outage': ({ source, write }) => ({
    put: (key, content, options) => source.put(key, content, options).catch(() => write(key, content)),
  }),
  'closes slowly': ({ source }) => {
    let closing: Promise<void> | undefined
    return { close: () => (closing ??= delay(6_000).then(() => source.close())) }
  },
  'ignores close': () => ({ close: async () => undefined }),
  'works after close': ({ source, another }) => ({
    load: (options) => (source.state === 'closed' ? another() : source).load(options),
  }),
  'leaves timers': ({ source }) => {
    // Several, because a timer of the runner may end at the same time.
    for (let index = 0; index < 3; index++) setTimeout(() => undefined, 1_000)
    return { close: () => source.close() }
  },
}

async function* watchAll(
  source: WritableConfigSource,
  options: OperationOptions | undefined,
): AsyncGenerator<Watched<ConfigDocument>> {
  const queue: Watched<ConfigDocument>[] = []
  const read = async (): Promise<void> => {
    for await (const step of source.watch(options)) queue.push(step)
  }
  void read()
  while (!options?.signal?.aborted && source.state !== 'closed') {
    const step = queue.shift()
    if (step) yield step
    else await delay(5)
  }
}

function withoutSignal({ signal: _, ...options }: ConfigWriteOptions = {}): ConfigWriteOptions {
  return options
}
