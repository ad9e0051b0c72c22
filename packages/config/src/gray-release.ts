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
import { checkRule, decodeGray, encodeGray, type GrayRule, type GrayVersion, grayKeyOf } from './gray-entry.ts'

/** Options of {@link createGrayRelease}. */
export interface GrayReleaseOptions {
  /** Where the entry is; it is not closed. Its backend should compare revisions, see `capabilities.compareAndSet`. */
  readonly source: WritableConfigSource
  /** Key of the entry. */
  readonly key: string
}

/** Options of {@link GrayRelease.publish}. */
export interface GrayPublishOptions extends OperationOptions, ConfigAnnotations {
  /** Whom it is for. */
  readonly rule: GrayRule
}

/** Options of the other writes of a {@link GrayRelease}. */
export interface GrayWriteOptions extends OperationOptions, ConfigAnnotations {}

/** Brings a version of one entry to some instances first, then to all or to none. */
export interface GrayRelease {
  /** The version that is out for some; `undefined` if there is none. @throws SdError `SD_MALFORMED` if what is there is none */
  current(options?: OperationOptions): Promise<GrayVersion | undefined>
  /** Publishes a text for some instances. @throws SdError `SD_CONFLICT` if there is a gray version already, else as `put` */
  publish(content: string, options: GrayPublishOptions): Promise<GrayVersion>
  /** Changes whom it is for; those of a smaller share stay in a larger one. @throws SdError `SD_NOT_FOUND`, `SD_CONFLICT`, else as `put` */
  retarget(rule: GrayRule, options?: GrayWriteOptions): Promise<GrayVersion>
  /**
   * Makes it the version of all, by the author and with the comment of `publish` unless others are given. Can be repeated if it ended half way.
   *
   * @throws SdError `SD_CONFLICT` if the entry was changed since `publish`: nothing is overwritten; `SD_NOT_FOUND`, else as `put`
   */
  promote(options?: GrayWriteOptions): Promise<ConfigEntry>
  /** Takes it back; no error if there is none. @throws SdError as `delete` */
  abort(options?: GrayWriteOptions): Promise<void>
}

/**
 * Makes the operator's side of gray releases of one entry. The version is kept beside the entry, under its key with `.gray`; instances read it
 * through `withGrayRelease`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createGrayRelease(options: GrayReleaseOptions): GrayRelease {
  checkKnownKeys('', checkObject('options', options), ['source', 'key'])
  const { source } = options
  if (!checkObject('source', source)['put']) throw invalidError('source', source, 'a source that can be written to')
  const key = checkConfigKey('key', options.key)
  const grayKey = checkConfigKey('key', grayKeyOf(key))

  async function read({ signal }: OperationOptions): Promise<{ readonly stable?: ConfigEntry; readonly gray?: ConfigEntry }> {
    const { entries } = await source.load({ ...(signal && { signal }) })
    const stable = entries.find((entry) => entry.key === key)
    const gray = entries.find((entry) => entry.key === grayKey)
    return { ...(stable && { stable }), ...(gray && { gray }) }
  }
  function found(gray: ConfigEntry | undefined): ConfigEntry {
    if (!gray) throw new SdError('SD_NOT_FOUND', `${source.name} has no gray release of ${key}`)
    return gray
  }

  return {
    async current(readOptions = {}) {
      const { gray } = await read(readOptions)
      return gray && decodeGray(gray)
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
      await source.put(grayKey, encodeGray(version), { ...write, ifRevision: null })
      return version
    },
    async retarget(rule, write = {}) {
      checkRule(rule)
      const gray = found((await read(write)).gray)
      const version = { ...decodeGray(gray), rule }
      await source.put(grayKey, encodeGray(version), { ...write, ifRevision: gray.revision })
      return version
    },
    async promote(write = {}) {
      const { stable, gray: maybeGray } = await read(write)
      const gray = found(maybeGray)
      const { content, baseRevision, author = gray.author, comment = gray.comment } = decodeGray(gray)
      const annotations = { author, comment, ...write }
      // An earlier attempt that got no further has written it already.
      const isWritten = stable?.content === content
      const promoted = isWritten ? stable : await source.put(key, content, { ...annotations, ifRevision: baseRevision })
      await source.delete(grayKey, { ...write, ifRevision: gray.revision })
      return promoted
    },
    async abort(write = {}) {
      const { gray } = await read(write)
      if (gray) await source.delete(grayKey, { ...write, ifRevision: gray.revision })
    },
  }
}
