import { checkContent } from '@sd/adapter-kit'
import {
  checkInteger,
  checkKnownKeys,
  checkName,
  checkText,
  createSemaphore,
  type OperationOptions,
  SdError,
  withTimeout,
} from '@sd/core'
import { type ChainAnchor, type ChainProblem, findProblem, readChain } from './chain.ts'
import { type Log, readLog } from './log.ts'
import { type ConfigHistoryOptions, type ResolvedConfigHistoryOptions, resolveConfigHistoryOptions } from './options.ts'
import { type ConfigVersion, createHashFunction, genesisOf, type TrackedVersion } from './record.ts'
import { type ConfigDifference, diffTrees } from './structured-diff.ts'
import { diffTexts } from './text-diff.ts'
import { createWriter, type Draft } from './writer.ts'

/** Options of methods that create a version. */
export interface VersionOptions extends OperationOptions {
  /** Author of the version. @default `author` of the history */
  readonly author?: string
  /** Reason for the change. */
  readonly comment?: string
  /** Writes only if this is the current version; 0 if there is no entry. @default any version */
  readonly ifVersion?: number
}

/** Options of {@link ConfigHistory.list}. */
export interface ListOptions extends OperationOptions {
  /**
   * Whether to read the source first and record changes made outside the history. `false` reads only the store, for when the
   * source is unreachable. @default true
   */
  readonly sync?: boolean
}

/** Options of {@link ConfigHistory.verify}. */
export interface VerifyOptions extends OperationOptions {
  /** A head from an earlier verification, stored elsewhere: it must still be in the chain. @default only the chain itself is verified */
  readonly anchor?: ChainAnchor
}

/** Result of {@link ConfigHistory.verify}. */
export interface Verification {
  /** Whether the chain is valid. */
  readonly isValid: boolean
  /** Number of valid records, from the first on. */
  readonly records: number
  /** The last valid record. Store it elsewhere as an anchor: without one, a truncated chain looks complete. */
  readonly head: ChainAnchor
  /** The first problem, if any. */
  readonly problem?: ChainProblem
}

/** The versions of one entry of a source. */
export interface ConfigHistory {
  /**
   * Writes a text as a new version.
   *
   * @returns the version: `written`, or `pending` if its outcome could not be recorded, which the next use does
   * @throws SdError errors of the source and the store; `SD_CONFLICT` if `ifVersion` is not the current version, `SD_TIMEOUT` if
   * other writers take too long
   */
  put(content: string, options?: VersionOptions): Promise<ConfigVersion>
  /** Removes the entry, as a new version with content `null`. @throws SdError as `put` */
  delete(options?: VersionOptions): Promise<ConfigVersion>
  /**
   * Writes the content of an earlier version again, byte for byte, as a new version.
   *
   * @throws SdError as `put`; `SD_NOT_FOUND`, `SD_INVALID` if that version was never written
   */
  rollback(version: number, options?: VersionOptions): Promise<ConfigVersion>
  /** All stored versions, newest first. @throws SdError */
  list(options?: ListOptions): Promise<readonly ConfigVersion[]>
  /** One version. @throws SdError `SD_NOT_FOUND` if it does not exist or was dropped */
  get(version: number, options?: OperationOptions): Promise<ConfigVersion>
  /**
   * The values that differ between the versions `before` and `after`; secrets are masked, see `masking`.
   *
   * @throws SdError `SD_NOT_FOUND`, `SD_MALFORMED` if a version can't be parsed, `SD_TOO_LARGE`
   */
  diff(before: number, after: number, options?: OperationOptions): Promise<readonly ConfigDifference[]>
  /** The lines that differ, as a unified diff; secrets are masked. @throws SdError `SD_NOT_FOUND`, `SD_TOO_LARGE` */
  diffText(before: number, after: number, options?: OperationOptions): Promise<string>
  /** Verifies every record and every link between records. @throws SdError only if the store can't be read */
  verify(options?: VerifyOptions): Promise<Verification>
}

/**
 * Creates the history of one entry of a source: versions with author, time, comment and content, and rollback to them.
 *
 * @throws SdError `SD_INVALID` naming an option
 */
export function createConfigHistory(options: ConfigHistoryOptions): ConfigHistory {
  const checked = resolveConfigHistoryOptions(options)
  const { key, store, masking, secret, operationTimeoutMs: timeoutMs } = checked
  const hash = createHashFunction(secret)
  const genesis = genesisOf(hash, key)
  const logOptions = { ...checked, hash, genesis }
  const writer = createWriter(logOptions)
  const gate = createSemaphore(1)

  function operate<T>(what: string, signal: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withTimeout({ timeoutMs, what: `The history of ${key}: ${what}`, signal }, run)
  }

  function write(
    what: string,
    options: VersionOptions,
    draft: (log: Log) => Pick<ReturnType<Draft>, 'change' | 'content' | 'of'>,
  ): Promise<ConfigVersion> {
    const { ifVersion, comment } = options
    checkKnownKeys('', options, ['author', 'comment', 'ifVersion', 'signal'])
    const author = checkName('author', options.author ?? checked.author)
    if (comment !== undefined) checkText('comment', comment, 4_096)
    if (ifVersion !== undefined) checkVersion('ifVersion', ifVersion, 0)
    const drafted: Draft = (log) => {
      const live = log.live?.version ?? 0
      if (ifVersion !== undefined && ifVersion !== live) {
        throw new SdError('SD_CONFLICT', `${key} is at version ${live}, not ${ifVersion}`)
      }
      return { author, comment, ...draft(log) }
    }
    return operate(what, options.signal, (signal) => gate.run(signal, () => writer.write(drafted, signal)))
  }

  function read<T>(what: string, { signal: own }: OperationOptions, run: (log: Log) => T): Promise<T> {
    return operate(what, own, async (signal) => run(await readLog(logOptions, { signal })))
  }

  return {
    async put(content, options = {}) {
      checkContent('content', content, store.maxBytes)
      return write('put', options, () => ({ change: 'put', content }))
    },
    async delete(options = {}) {
      return write('delete', options, () => ({ change: 'delete', content: null }))
    },
    async rollback(version, options = {}) {
      checkVersion('version', version)
      return write('rollback', options, (log) => {
        const { content, state } = findVersion(key, log, version)
        if (state === 'failed') {
          throw new SdError('SD_INVALID', `Version ${version} of ${key} was never written`, { field: 'version' })
        }
        return { change: 'rollback', of: version, content }
      })
    },
    async list(options = {}) {
      checkKnownKeys('', options, ['sync', 'signal'])
      const { sync = true, signal: own } = options
      const log = sync
        ? await operate('list', own, (signal) => gate.run(signal, () => writer.sync(signal)))
        : await read('list', options, (found) => found)
      return log.versions.map(publish).toReversed()
    },
    async get(version, options = {}) {
      checkVersion('version', version)
      return read('get', options, (log) => publish(findVersion(key, log, version)))
    },
    async diff(before, after, options = {}) {
      checkVersion('before', before)
      checkVersion('after', after)
      return read('diff', options, (log) =>
        diffTrees(
          parseVersion(checked, findVersion(key, log, before)),
          parseVersion(checked, findVersion(key, log, after)),
          masking,
        ),
      )
    },
    async diffText(before, after, options = {}) {
      checkVersion('before', before)
      checkVersion('after', after)
      return read('diffText', options, (log) =>
        diffTexts(findVersion(key, log, before), findVersion(key, log, after), { key, masking, parse: checked.parse }),
      )
    },
    async verify(options = {}) {
      checkKnownKeys('', options, ['anchor', 'signal'])
      const { anchor, signal: own } = options
      if (anchor) checkAnchor(anchor)
      const { text } = await operate('verify', own, (signal) => store.read({ signal }))
      const chain = readChain(text, hash, genesis)
      const problem = findProblem(chain, anchor)
      const { sequence, hash: sum } = chain.head
      return { isValid: !problem, records: chain.records.length, head: { sequence, hash: sum }, ...(problem && { problem }) }
    },
  }
}

function checkVersion(field: string, value: number, min: number = 1): void {
  checkInteger(field, value, { min, max: Number.MAX_SAFE_INTEGER })
}

function checkAnchor({ sequence, hash }: ChainAnchor): void {
  checkInteger('anchor.sequence', sequence, { min: 0, max: Number.MAX_SAFE_INTEGER })
  checkName('anchor.hash', hash)
}

function publish({ base: _, ...version }: TrackedVersion): ConfigVersion {
  return version
}

function findVersion(key: string, { versions }: Log, wanted: number): TrackedVersion {
  const found = versions.find(({ version }) => version === wanted)
  if (found) return found
  const [oldest] = versions
  throw new SdError(
    'SD_NOT_FOUND',
    `${key} has no version ${wanted}${oldest ? `; the oldest one kept is ${oldest.version}` : ''}`,
  )
}

function parseVersion({ key, parse }: ResolvedConfigHistoryOptions, { version, content }: ConfigVersion): unknown {
  if (content === null) return undefined
  try {
    return parse(content)
  } catch {
    // Without the message of the parser, which quotes the text.
    throw new SdError('SD_MALFORMED', `Version ${version} of ${key} can't be parsed: use diffText instead`)
  }
}
