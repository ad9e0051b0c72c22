import { checkConfigKey } from '@sd/adapter-kit'
import {
  type ConfigAnnotations,
  type ConfigEntry,
  checkKnownKeys,
  checkObject,
  invalidError,
  masking,
  type OperationOptions,
  publishTelemetry,
  SdError,
  type TelemetryEvents,
  type WritableConfigSource,
} from '@sd/core'
import { type CanaryRule, type CanaryVersion, canaryKeyOf, checkRule, decodeCanary, encodeCanary } from './canary-entry.ts'

/** Options of {@link createCanaryRelease}. */
export interface CanaryReleaseOptions {
  /** Source of the entry; the release does not close it. Its backend should compare revisions, see `capabilities.compareAndSet`. */
  readonly source: WritableConfigSource
  /** Key of the entry. */
  readonly key: string
}

/** Options of {@link CanaryRelease.publish}. */
export interface CanaryPublishOptions extends OperationOptions, ConfigAnnotations {
  /** The instances it applies to. */
  readonly rule: CanaryRule
}

/** Options of the other writes of a {@link CanaryRelease}. */
export interface CanaryWriteOptions extends OperationOptions, ConfigAnnotations {}

/** Releases a version of one entry to some instances first, then to all or to none. */
export interface CanaryRelease {
  /** The canary version; `undefined` if there is none. @throws SdError `SD_MALFORMED` if the stored text is not a canary version */
  current(options?: OperationOptions): Promise<CanaryVersion | undefined>
  /** Publishes a text for some instances. @throws SdError `SD_CONFLICT` if a canary version exists already, otherwise as `put` */
  publish(content: string, options: CanaryPublishOptions): Promise<CanaryVersion>
  /** Selects other instances; a larger share keeps the instances of a smaller one. @throws SdError `SD_NOT_FOUND`, `SD_CONFLICT`, otherwise as `put` */
  retarget(rule: CanaryRule, options?: CanaryWriteOptions): Promise<CanaryVersion>
  /**
   * Applies the version to all instances, with the author and comment of `publish` unless others are given. Can be repeated
   * after a failure half way.
   *
   * @throws SdError `SD_CONFLICT` if the entry has changed since `publish` (nothing is overwritten); `SD_NOT_FOUND`, otherwise as `put`
   */
  promote(options?: CanaryWriteOptions): Promise<ConfigEntry>
  /** Withdraws the canary version. Does nothing if there is none. @throws SdError as `delete` */
  abort(options?: CanaryWriteOptions): Promise<void>
}

/**
 * Creates the operator's side of canary releases of one entry. The canary version is stored next to the entry, under its key
 * with the suffix `.canary`. Instances read it through `withCanaryRelease`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createCanaryRelease(options: CanaryReleaseOptions): CanaryRelease {
  checkKnownKeys('', checkObject('options', options), ['source', 'key'])
  const { source } = options
  if (!checkObject('source', source)['put']) throw invalidError('source', source, 'a writable source')
  const key = checkConfigKey('key', options.key)
  const canaryKey = checkConfigKey('key', canaryKeyOf(key))

  async function read({ signal }: OperationOptions): Promise<{ readonly stable?: ConfigEntry; readonly canary?: ConfigEntry }> {
    const { entries } = await source.load({ ...(signal && { signal }) })
    const stable = entries.find((entry) => entry.key === key)
    const canary = entries.find((entry) => entry.key === canaryKey)
    return { ...(stable && { stable }), ...(canary && { canary }) }
  }
  const report = (action: CanaryAction, releaseId: string | undefined, by: ConfigAnnotations): void =>
    reportCanary({ source: source.name, key, change: `canary-${action}`, releaseId }, by)
  function found(canary: ConfigEntry | undefined): ConfigEntry {
    if (!canary) throw new SdError('SD_NOT_FOUND', `${source.name} has no canary release of ${key}`)
    return canary
  }

  return {
    async current(readOptions = {}) {
      const { canary } = await read(readOptions)
      return canary && decodeCanary(canary)
    },
    async publish(content, { rule, ...write }) {
      const { stable } = await read(write)
      const releaseId = crypto.randomUUID()
      const { author, comment } = write
      const version = {
        releaseId,
        rule: checkRule(rule),
        content,
        baseRevision: stable?.revision ?? null,
        ...(author !== undefined && { author }),
        ...(comment !== undefined && { comment }),
      }
      await source.put(canaryKey, encodeCanary(version), { ...write, ifRevision: null })
      report('publish', releaseId, write)
      return version
    },
    async retarget(rule, write = {}) {
      checkRule(rule)
      const canary = found((await read(write)).canary)
      const version = { ...decodeCanary(canary), rule }
      await source.put(canaryKey, encodeCanary(version), { ...write, ifRevision: canary.revision })
      report('retarget', version.releaseId, write)
      return version
    },
    async promote(write = {}) {
      const { stable, canary: maybeCanary } = await read(write)
      const canary = found(maybeCanary)
      const version = decodeCanary(canary)
      const { content, baseRevision, author = canary.author, comment = canary.comment } = version
      const annotations = { author, comment, ...write }
      // An earlier attempt may have written the entry and then failed.
      const isWritten = stable?.content === content
      const promoted = isWritten ? stable : await source.put(key, content, { ...annotations, ifRevision: baseRevision })
      report('promote', version.releaseId, annotations)
      await source.delete(canaryKey, { ...write, ifRevision: canary.revision })
      return promoted
    },
    async abort(write = {}) {
      const { canary } = await read(write)
      if (!canary) return
      await source.delete(canaryKey, { ...write, ifRevision: canary.revision })
      report('abort', releaseIdOf(canary), write)
    },
  }
}

type CanaryAction = 'publish' | 'retarget' | 'promote' | 'abort'

/** Reports a change on `sd:v1:config:write`. */
function reportCanary(
  what: Pick<TelemetryEvents['sd:v1:config:write'], 'source' | 'key' | 'change' | 'releaseId'>,
  { author, comment }: ConfigAnnotations,
): void {
  publishTelemetry('sd:v1:config:write', {
    ...what,
    ...(author !== undefined && { author }),
    ...(comment !== undefined && { comment: masking.text(comment) }),
  })
}

/** Id of a release that is withdrawn. Its entry may be damaged. */
function releaseIdOf(canary: ConfigEntry): string | undefined {
  try {
    return decodeCanary(canary).releaseId
  } catch {
    return undefined
  }
}
