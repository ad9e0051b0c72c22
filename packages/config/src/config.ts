import { type ConfigStateReport, checkFunction, checkKnownKeys, type OperationOptions, reportStates, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
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
 * One configuration of many sources. What is read is of one version, frozen, and stays as it is in the hand of who read it.
 *
 * `Output` is what the schema returns, `Input` what it takes.
 */
export interface Config<Output = unknown, Input = Output> extends AsyncDisposable {
  /** All of it; the fastest way to read: `config.current.db.pool.size`. */
  readonly current: Output
  /** Number of the version that counts: 1 at the start, one more with every change. */
  readonly version: number
  /** The value at a path; `undefined` if there is none. Paths are those of what the schema returns; a key with a dot in it is reached through what it is in. */
  get<P extends Path<Output>>(path: P): PathValue<Output, P>
  /** Whether there is a value at a path, `null` included. */
  has(path: Path<Output>): boolean
  /** The value at a path. @throws SdError `SD_NOT_FOUND` if there is none, or `null` */
  require<P extends Path<Output>>(path: P): NonNullable<PathValue<Output, P>>
  /**
   * Calls `listener` whenever what is at a path is another one, after the new version counts. A listener that throws or rejects is reported, and hurts nothing else.
   *
   * @returns a function that ends it
   */
  onChange<P extends Path<Output>>(path: P, listener: (change: ConfigValueChange<PathValue<Output, P>>) => void): () => void
  /** Follows changes from now on; a slow consumer gets the step to the latest version only. Ends on abort and close. */
  changes(options?: OperationOptions): AsyncIterable<ConfigChange<Output>>
  /** Where a value comes from and what it overrode; secrets are masked. Of values that the schema moved, the path in the sources. */
  explain(path: string): ConfigExplanation
  /** Which sources are away or refused, since when and why. */
  status(): ConfigStatus
  /** Asks all sources now, and decrypts everything anew. @throws SdError if one is away or refused: with `failures` if it was refused; what is good counts */
  reload(options?: OperationOptions): Promise<void>
  /**
   * What a change would do, without making it: texts by key, `null` for an entry that would be removed, in place of what one source has. Everything that
   * an update goes through is done: parsing, decrypting, placeholders, schema. For pipelines, before they write.
   *
   * @throws SdError `SD_INVALID` for a bad argument; a `ConfigError` with `failures` where the change would be refused
   */
  check(texts: Readonly<Record<string, string | null>>, options?: ConfigCheckOptions): Promise<ConfigCheck>
  /**
   * Overrides what all sources say at a path, in memory, until `unset` or the end of the process; an object is merged with theirs.
   *
   * @throws SdError `SD_INVALID`, with `failures` if the schema refuses it; nothing has changed then
   */
  set<P extends Path<Input>>(path: P, value: PathValue<Input, P>): Promise<void>
  /** Takes back what `set` wrote at a path and below. @throws SdError as `set` */
  unset(path: Path<Input>): Promise<void>
  /** Stops following; what was read last can still be read. The sources stay open, unless `closeSources` says otherwise. Idempotent. */
  close(): Promise<void>
}

/**
 * Reads and follows a configuration: resolves when it is complete and valid.
 *
 * @throws SdError `SD_INVALID` for a bad option; with `failures` (a `ConfigError`) if content is refused; what a source says that is away, if
 * nothing stands in for it
 */
export async function createConfig<Schema extends StandardSchemaV1 = StandardSchemaV1>(
  options: ConfigOptions<Schema>,
): Promise<Config<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>>> {
  const settings = resolveConfigOptions(options)
  // Without `onReport` nobody would hear of a listener that fails.
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
  const endReports = reportStates(() => [reportState(settings.name, live)])

  function get(path: string): unknown {
    const known = values.get(path)
    if (known !== undefined) return known
    const value = valueAt(live.current.value, splitPath('path', path))
    // What is missing isn't kept: paths that are made up from requests would fill the memory.
    if (value !== undefined) values.set(path, value)
    return value
  }

  const close = async (): Promise<void> => {
    endReports()
    subscriptions.close()
    await live.close()
  }
  // Properties instead of getters: reading them costs half as much.
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

function reportState(config: string, live: LiveConfig): ConfigStateReport {
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
  }
}
