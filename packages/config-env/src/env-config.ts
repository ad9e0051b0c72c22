import { createHmac, randomBytes } from 'node:crypto'
import { assembleConfigSource, createConfigDocument } from '@sd/adapter-kit'
import { type ConfigDocument, type ConfigEntry, type ConfigSource, SdError, sleep, untilAborted } from '@sd/core'
import { type EnvConfigSourceOptions, resolveEnvConfigSourceOptions } from './options.ts'
import { keyOfVariable } from './variable-key.ts'

const capabilities = { watch: 'poll', write: false, compareAndSet: false, annotations: false } as const

/** Revisions are shown where values are masked. A key of this process keeps them from revealing a short secret. */
const revisionKey = randomBytes(32)

/**
 * Creates a source that reads environment variables. Each is one value: `SD_DB__POOL__SIZE` has the key `db/pool/size`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createEnvConfigSource(options: EnvConfigSourceOptions = {}): ConfigSource {
  const settings = resolveEnvConfigSourceOptions(options)
  const { env, secrets, refreshIntervalMs, name } = settings

  function readEntries(): readonly ConfigEntry[] {
    const variables = new Map<string, string>()
    for (const [variable, value] of Object.entries(env)) {
      const key = value === undefined ? undefined : keyOfVariable(variable, settings)
      if (key === undefined) continue
      const twin = variables.get(key)
      if (twin !== undefined) throw ambiguous(twin, variable, key)
      variables.set(key, variable)
    }
    return [...variables.keys()].sort().map((key) => {
      const content = env[variables.get(key) as string] as string
      return {
        key,
        content,
        format: 'text',
        revision: createHmac('sha256', revisionKey).update(content).digest('base64url'),
        ...(secrets.some((secret) => key === secret || key.startsWith(`${secret}/`)) && { isSecret: true }),
      }
    })
  }
  function ambiguous(one: string, other: string, key: string): SdError {
    const message = `${name}: the variables ${one} and ${other} both have the key ${key}: remove one of them`
    // Retryable if the variables are read again: one of them can be removed by then.
    return new SdError('SD_INVALID', message, { field: 'env', retryable: refreshIntervalMs !== undefined })
  }
  function read(previous?: ConfigDocument): ConfigDocument {
    return createConfigDocument(name, readEntries(), previous)
  }

  return assembleConfigSource({
    name,
    capabilities,
    operationTimeoutMs: 5_000,
    initialState: 'connected',
    read: async () => read(),
    async follow({ offer, previous, signal }) {
      while (!signal.aborted) {
        offer(read(previous()))
        await (refreshIntervalMs === undefined ? untilAborted(signal) : sleep(refreshIntervalMs, signal))
      }
    },
    close: () => undefined,
  })
}
