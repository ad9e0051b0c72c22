import {
  answerInquiries,
  type ConfigStateReport,
  checkFunction,
  checkKnownKeys,
  type OperationOptions,
  reportStates,
  SdError,
} from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { answerConfig, createDigest } from './answers.ts'
import type { ConfigCheck, ConfigCheckOptions } from './check.ts'
import { valueAt } from './config-tree.ts'
import { type ConfigExplanation, explainPath } from './explain.ts'
import { type LiveConfig, startLiveConfig } from './live-config.ts'
import { type ConfigOptions, readValue, resolveConfigOptions } from './options.ts'
import { type Path, type PathValue, splitPath } from './path.ts'
import type { ConfigStatus } from './report.ts'
import { type ConfigChange, type ConfigValueChange, createSubscriptions } from './subscriptions.ts'
import { removeAt, writeAt } from './tree.ts'

/**
 * One configuration from many sources. Values that were read belong to one version, are frozen and do not change later.
 *
 * `Output` is the output type of the schema, `Input` its input type.
 */
export interface Config<Output = unknown, Input = Output> extends AsyncDisposable {
  /** The whole configuration. The fastest way to read: `config.current.db.pool.size`. */
  readonly current: Output
  /** Number of the version in effect: 1 at the start, plus 1 with every change. */
  readonly version: number
  /** The value at a path, or `undefined`. Paths refer to the output of the schema. Read a key with a dot through its parent object. */
  get<P extends Path<Output>>(path: P): PathValue<Output, P>
  /** Whether there is a value at a path, including `null`. */
  has(path: Path<Output>): boolean
  /** The value at a path. @throws SdError `SD_NOT_FOUND` if it is missing or `null` */
  require<P extends Path<Output>>(path: P): NonNullable<PathValue<Output, P>>
  /**
   * Calls `listener` when the value at a path has changed, after the new version is in effect. If a listener throws or rejects,
   * the error is reported and does not affect anything else.
   *
   * @returns a function that removes the listener
   */
  onChange<P extends Path<Output>>(path: P, listener: (change: ConfigValueChange<PathValue<Output, P>>) => void): () => void
  /** Follows changes from now on. A slow consumer receives only the step to the latest version. Ends on abort and close. */
  changes(options?: OperationOptions): AsyncIterable<ConfigChange<Output>>
  /** Origin of a value, and the values it overrides; secrets are masked. For values that the schema moved, give the path in the sources. */
  explain(path: string): ConfigExplanation
  /** Unreachable and rejected sources, since when and why. */
  status(): ConfigStatus
  /**
   * Reads all sources now and decrypts everything again. Valid content takes effect even if another source fails.
   *
   * @throws SdError if a source is unreachable or rejected; with `failures` if it was rejected
   */
  reload(options?: OperationOptions): Promise<void>
  /**
   * Dry run of a change to one source: texts by key, `null` for an entry to remove. Runs every step of an update (parsing,
   * decrypting, placeholders, schema) and changes nothing. For pipelines, before they write.
   *
   * @throws SdError `SD_INVALID` for an invalid argument; a `ConfigError` with `failures` if the change would be rejected
   */
  check(texts: Readonly<Record<string, string | null>>, options?: ConfigCheckOptions): Promise<ConfigCheck>
  /**
   * Overrides all sources at a path, in memory, until `unset` or the end of the process. An object is merged with theirs.
   *
   * @throws SdError `SD_INVALID`, with `failures` if the schema rejects it; nothing has changed then
   */
  set<P extends Path<Input>>(path: P, value: PathValue<Input, P>): Promise<void>
  /** Removes overrides at a path and below. @throws SdError as `set` */
  unset(path: Path<Input>): Promise<void>
  /** Stops following the sources; the last values stay readable. The sources stay open unless `closeSources` is `'always'`. Idempotent. */
  close(): Promise<void>
}

/**
 * Reads and follows a configuration. Resolves when it is complete and valid.
 *
 * @throws SdError `SD_INVALID` for an invalid option; with `failures` (a `ConfigError`) if content is rejected; the error of an
 * unreachable source that no snapshot replaces
 */
export async function createConfig<Schema extends StandardSchemaV1 = StandardSchemaV1>(
  options: ConfigOptions<Schema>,
): Promise<Config<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>>> {
  const settings = resolveConfigOptions(options)
  // Without `onReport` there is no receiver for the failure of a listener, so it becomes a process warning.
  const subscriptions = createSubscriptions(options.onReport && ((error) => settings.onReport({ kind: 'error', error })))
  let config: Writable<Config> | undefined
  let values = new Map<string, unknown>()

  const live = await startLiveConfig(settings, {
    report: settings.onReport,
    onVersion(next, previous) {
      if (!config) return
      config.current = next.value
      config.version = next.version
      values = new Map()
      subscriptions.publish(next, previous)
    },
  })
  const digestOf = createDigest(settings.digestKey)
  const endReports = reportStates(() => [reportState(settings.name, live, digestOf(live.current))])
  const endAnswers = answerInquiries('config', ({ config: asked, path }) =>
    asked === undefined || asked === settings.name ? [answerConfig(settings.name, live, digestOf(live.current), path)] : [],
  )

  function get(path: string): unknown {
    const known = values.get(path)
    if (known !== undefined) return known
    const value = valueAt(live.current.value, splitPath('path', path))
    // Missing paths are not cached: paths built from requests would fill the memory.
    if (value !== undefined) values.set(path, value)
    return value
  }

  const close = async (): Promise<void> => {
    endReports()
    endAnswers()
    subscriptions.close()
    await live.close()
  }
  // Properties instead of getters: a read costs half as much.
  config = {
    current: live.current.value,
    version: live.current.version,
    get,
    has: (path) => get(path) !== undefined,
    require(path) {
      const value = get(path)
      if (value === undefined || value === null)
        throw new SdError('SD_NOT_FOUND', `${settings.name} has no ${path}`, { field: path })
      return value
    },
    onChange: (path, listener) => subscriptions.listen(splitPath('path', path), checkFunction('listener', listener)),
    changes: ({ signal } = {}) => ({ [Symbol.asyncIterator]: () => subscriptions.iterate(live.current, signal) }),
    explain: (path) => explainPath(splitPath('path', path), live.current),
    status: () => live.status(),
    async reload(reloadOptions = {}) {
      checkKnownKeys('', reloadOptions, ['signal'])
      await live.reload(reloadOptions)
    },
    check: async (texts, checkOptions = {}) => live.check(texts, checkOptions),
    async set(path, value) {
      const keys = splitPath('path', path)
      const plain = readValue('value', value)
      await live.override((overrides) => writeAt(overrides, keys, plain))
    },
    async unset(path) {
      const keys = splitPath('path', path)
      await live.override((overrides) => removeAt(overrides, keys))
    },
    close,
    [Symbol.asyncDispose]: close,
  }
  return config as unknown as Config<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>>
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

function reportState(config: string, live: LiveConfig, digest: string): ConfigStateReport {
  const { version, updatedAt, stale, refused } = live.status()
  const since = Math.min(...[...stale, ...refused].map(({ since }) => since))
  return {
    kind: 'config',
    config,
    version,
    updatedAt,
    staleSources: stale.map(({ source }) => source),
    refusedSources: refused.map(({ source }) => source),
    degradedForMs: Number.isFinite(since) ? Math.max(0, Date.now() - since) : 0,
    digest,
  }
}
