import { setTimeout as delay } from 'node:timers/promises'
import type { ConfigDocument, ConfigEntry, ConfigWriteOptions, OperationOptions, Watched, WritableConfigSource } from '@sd/core'

/** Ways in which what callers see of a source can be broken. */
export type ConfigSurfaceMutation =
  | 'hides that it writes'
  | 'queues changes'
  | 'has a watch for each consumer'
  | 'ignores the signal'
  | 'takes anything'
  | 'writes when the backend is back'
  | 'closes slowly'
  | 'closes nothing'
  | 'works after close'
  | 'leaves timers'

/** A source that is sound, and what it is broken with. */
interface SoundConfigSource {
  readonly source: WritableConfigSource
  /** Opens one more. */
  readonly another: () => WritableConfigSource
  /** Writes without a check. */
  readonly write: (key: string, content: string) => ConfigEntry
}

/** Breaks what callers see of a source. */
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
  'hides that it writes': ({ source }) => ({ capabilities: { ...source.capabilities, write: false } }),
  'queues changes': ({ source }) => ({ watch: (options) => watchAll(source, options) }),
  'has a watch for each consumer': ({ another }) => ({ watch: (options) => another().watch(options) }),
  'ignores the signal': ({ source }) => ({
    load: () => source.load(),
    watch: () => source.watch(),
    put: (key, content, options) => source.put(key, content, withoutSignal(options)),
    delete: (key, options) => source.delete(key, withoutSignal(options)),
  }),
  'takes anything': ({ write }) => ({ put: async (key, content) => write(key, content) }),
  'writes when the backend is back': ({ source, write }) => ({
    put: (key, content, options) => source.put(key, content, options).catch(() => write(key, content)),
  }),
  'closes slowly': ({ source }) => {
    let closing: Promise<void> | undefined
    return { close: () => (closing ??= delay(6_000).then(() => source.close())) }
  },
  'closes nothing': () => ({ close: async () => undefined }),
  'works after close': ({ source, another }) => ({
    load: (options) => (source.state === 'closed' ? another() : source).load(options),
  }),
  'leaves timers': ({ source }) => {
    // Several, because one of the runner's own may end meanwhile.
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
