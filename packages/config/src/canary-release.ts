import { checkConfigKey } from '@sd/adapter-kit'
import {
  type ConfigAnnotations,
  type ConfigEntry,
  checkKnownKeys,
  checkObject,
  invalidError,
  type OperationOptions,
  SdError,
  type WritableConfigSource,
} from '@sd/core'
import { type CanaryRule, type CanaryVersion, canaryKeyOf, checkRule, decodeCanary, encodeCanary } from './canary-entry.ts'

/** Options of {@link createCanaryRelease}. */
export interface CanaryReleaseOptions {
  /** Where the entry is; it is not closed. Its backend should compare revisions, see `capabilities.compareAndSet`. */
  readonly source: WritableConfigSource
  /** Key of the entry. */
  readonly key: string
}

/** Options of {@link CanaryRelease.publish}. */
export interface CanaryPublishOptions extends OperationOptions, ConfigAnnotations {
  /** Whom it is for. */
  readonly rule: CanaryRule
}

/** Options of the other writes of a {@link CanaryRelease}. */
export interface CanaryWriteOptions extends OperationOptions, ConfigAnnotations {}

/** Brings a version of one entry to some instances first, then to all or to none. */
export interface CanaryRelease {
  /** The version that is out for some; `undefined` if there is none. @throws SdError `SD_MALFORMED` if what is there is none */
  current(options?: OperationOptions): Promise<CanaryVersion | undefined>
  /** Publishes a text for some instances. @throws SdError `SD_CONFLICT` if there is a canary version already, else as `put` */
  publish(content: string, options: CanaryPublishOptions): Promise<CanaryVersion>
  /** Changes whom it is for; those of a smaller share stay in a larger one. @throws SdError `SD_NOT_FOUND`, `SD_CONFLICT`, else as `put` */
  retarget(rule: CanaryRule, options?: CanaryWriteOptions): Promise<CanaryVersion>
  /**
   * Makes it the version of all, by the author and with the comment of `publish` unless others are given. Can be repeated if it ended half way.
   *
   * @throws SdError `SD_CONFLICT` if the entry was changed since `publish`: nothing is overwritten; `SD_NOT_FOUND`, else as `put`
   */
  promote(options?: CanaryWriteOptions): Promise<ConfigEntry>
  /** Takes it back; no error if there is none. @throws SdError as `delete` */
  abort(options?: CanaryWriteOptions): Promise<void>
}

/**
 * Makes the operator's side of canary releases of one entry. The version is kept beside the entry, under its key with `.canary`; instances read it
 * through `withCanaryRelease`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createCanaryRelease(options: CanaryReleaseOptions): CanaryRelease {
  checkKnownKeys('', checkObject('options', options), ['source', 'key'])
  const { source } = options
  if (!checkObject('source', source)['put']) throw invalidError('source', source, 'a source that can be written to')
  const key = checkConfigKey('key', options.key)
  const canaryKey = checkConfigKey('key', canaryKeyOf(key))

  async function read({ signal }: OperationOptions): Promise<{ readonly stable?: ConfigEntry; readonly canary?: ConfigEntry }> {
    const { entries } = await source.load({ ...(signal && { signal }) })
    const stable = entries.find((entry) => entry.key === key)
    const canary = entries.find((entry) => entry.key === canaryKey)
    return { ...(stable && { stable }), ...(canary && { canary }) }
  }
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
      return version
    },
    async retarget(rule, write = {}) {
      checkRule(rule)
      const canary = found((await read(write)).canary)
      const version = { ...decodeCanary(canary), rule }
      await source.put(canaryKey, encodeCanary(version), { ...write, ifRevision: canary.revision })
      return version
    },
    async promote(write = {}) {
      const { stable, canary: maybeCanary } = await read(write)
      const canary = found(maybeCanary)
      const { content, baseRevision, author = canary.author, comment = canary.comment } = decodeCanary(canary)
      const annotations = { author, comment, ...write }
      // An earlier attempt that got no further has written it already.
      const isWritten = stable?.content === content
      const promoted = isWritten ? stable : await source.put(key, content, { ...annotations, ifRevision: baseRevision })
      await source.delete(canaryKey, { ...write, ifRevision: canary.revision })
      return promoted
    },
    async abort(write = {}) {
      const { canary } = await read(write)
      if (canary) await source.delete(canaryKey, { ...write, ifRevision: canary.revision })
    },
  }
}
