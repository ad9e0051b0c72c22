import { type ConfigEntry, SdError, toWireError, withTimeout } from '@sd/core'
import type { ConfigAnswer, ConfigDiffAnswer, ConfigEntryAnswer, ConfigListAnswer } from '../protocol.ts'
import type {
  DashboardCanary,
  DashboardConfigs,
  DashboardHistory,
  DashboardVerification,
  DashboardVersion,
} from './config-interface.ts'
import { describeEncryptedIn, readValues, showEncrypted } from './read-values.ts'

/** Suffix of the keys of canary versions, see `createCanaryRelease`. */
const canarySuffix = '.canary'
const maxEntries = 2_000
const maxVersions = 200
/** Limit of one read, in milliseconds. */
const readLimitMs = 5_000

/** Reads configuration for the page. It has no method that writes. */
export interface ConfigReader {
  /** The entries of all sources. A source that can't be read is listed as failed. */
  list(signal: AbortSignal): Promise<ConfigListAnswer>
  /** One entry. @throws SdError `SD_NOT_FOUND` */
  get(source: string, key: string, signal: AbortSignal): Promise<ConfigAnswer>
  /** The difference of two versions. @throws SdError `SD_NOT_FOUND` */
  diff(versions: { source: string; key: string; from: number; to: number }, signal: AbortSignal): Promise<ConfigDiffAnswer>
  /** The history of an entry. @throws SdError `SD_NOT_FOUND` */
  historyOf(source: string, key: string): DashboardHistory
  /** The canary release of an entry. @throws SdError `SD_NOT_FOUND` */
  canaryOf(source: string, key: string): DashboardCanary
}

/** Creates a reader of these sources. */
export function createConfigReader(configs: readonly DashboardConfigs[]): ConfigReader {
  function find(source: string): DashboardConfigs {
    const found = configs.find((one) => one.source.name === source)
    if (!found) throw new SdError('SD_NOT_FOUND', `There is no configuration source ${source}`)
    return found
  }
  function own<Value>(what: string, key: string, values: Readonly<Record<string, Value>> = {}): Value {
    const value = Object.hasOwn(values, key) ? values[key] : undefined
    if (value === undefined) throw new SdError('SD_NOT_FOUND', `${key} has no ${what}`)
    return value
  }
  function describe(
    { source, histories = {}, canaries = {} }: DashboardConfigs,
    { key, revision }: EntryHead,
  ): ConfigEntryAnswer {
    return {
      source: source.name,
      key,
      hasHistory: Object.hasOwn(histories, key),
      hasCanary: Object.hasOwn(canaries, key),
      ...(revision !== undefined && { revision }),
    }
  }
  const limit = <Value>(what: string, signal: AbortSignal, run: (signal: AbortSignal) => Promise<Value>): Promise<Value> =>
    withTimeout({ timeoutMs: readLimitMs, what, signal }, run)
  const load = async ({ source }: DashboardConfigs, signal: AbortSignal): Promise<readonly ConfigEntry[]> =>
    (await limit(`reading ${source.name}`, signal, (limited) => source.load({ signal: limited }))).entries

  return {
    historyOf: (source, key) => own('history', key, find(source).histories),
    canaryOf: (source, key) => own('canary release', key, find(source).canaries),
    async list(signal) {
      const failed: { readonly source: string; readonly message: string }[] = []
      const lists = await Promise.all(
        configs.map(async (one) => {
          try {
            return withDeleted(one, await load(one, signal)).map((entry) => describe(one, entry))
          } catch (error) {
            failed.push({ source: one.source.name, message: toWireError(error).message })
            return Object.keys(one.histories ?? {}).map((key) => describe(one, { key }))
          }
        }),
      )
      const entries = lists.flat()
      return { entries: entries.slice(0, maxEntries), failed, omitted: Math.max(0, entries.length - maxEntries) }
    },
    async get(source, key, signal) {
      const one = find(source)
      if (key.endsWith(canarySuffix)) throw new SdError('SD_NOT_FOUND', `${key} is shown with its entry`)
      const entry = (await load(one, signal)).find((found) => found.key === key)
      const history = Object.hasOwn(one.histories ?? {}, key) ? one.histories?.[key] : undefined
      if (!entry && !history) throw new SdError('SD_NOT_FOUND', `${source} has no entry ${key}`)
      const canary = Object.hasOwn(one.canaries ?? {}, key) ? one.canaries?.[key] : undefined
      const [versions, chain, current] = await limit(`reading the history of ${key}`, signal, (limited) =>
        Promise.all([
          history?.list({ signal: limited, sync: false }) ?? [],
          history?.verify({ signal: limited }),
          canary?.current({ signal: limited }),
        ]),
      )
      return {
        ...describe(one, entry ?? { key }),
        ...showContent(entry),
        ...showVersions(versions, entry),
        ...(chain && {
          chain: { isValid: chain.isValid, ...(chain.problem !== undefined && { problem: describeProblem(chain.problem) }) },
        }),
        ...(current && {
          canary: {
            tags: current.rule.tags ?? [],
            addresses: current.rule.addresses ?? [],
            share: current.rule.share,
            author: current.author,
            comment: current.comment,
          },
        }),
      }
    },
    diff({ source, key, from, to }, signal) {
      const history = own('history', key, find(source).histories)
      return limit(`comparing versions of ${key}`, signal, (limited) => compare(history, from, to, limited))
    },
  }
}

type EntryHead = Pick<ConfigEntry, 'key'> & { readonly revision?: string | undefined }

/** Compares two versions, as text and as values. A version that can't be parsed has lines, but no values. */
async function compare(history: DashboardHistory, from: number, to: number, signal: AbortSignal): Promise<ConfigDiffAnswer> {
  const text = describeEncryptedIn(await history.diffText(from, to, { signal }))
  try {
    const values = (await history.diff(from, to, { signal })).map(({ path, kind, before, after }) => ({
      path,
      kind,
      ...(before !== undefined && { before: showEncrypted(before) }),
      ...(after !== undefined && { after: showEncrypted(after) }),
    }))
    return { text, values }
  } catch (error) {
    if (error instanceof SdError && (error.code === 'SD_MALFORMED' || error.code === 'SD_TOO_LARGE')) return { text }
    throw error
  }
}

/** The entries, and those that were deleted and have a history: they can be restored. */
function withDeleted({ histories = {} }: DashboardConfigs, entries: readonly ConfigEntry[]): readonly EntryHead[] {
  const known = new Set(entries.map(({ key }) => key))
  // A canary version is a part of its entry: its record would show the whole text.
  const shown = entries.filter(({ key }) => !key.endsWith(canarySuffix))
  return [...shown, ...Object.keys(histories).flatMap((key) => (known.has(key) ? [] : [{ key }]))]
}

function showContent(entry: ConfigEntry | undefined): Pick<ConfigAnswer, 'values' | 'unreadable'> {
  if (!entry) return { values: [], unreadable: 'The entry was deleted. An earlier version can be restored.' }
  try {
    return { values: readValues(entry) }
  } catch (error) {
    return { values: [], unreadable: toWireError(error).message }
  }
}

/** The versions, compared with the entry: reading records nothing, so a write past the history has no version yet. */
function showVersions(
  versions: readonly DashboardVersion[],
  entry: ConfigEntry | undefined,
): Pick<ConfigAnswer, 'versions' | 'isUnrecorded'> {
  const newest = versions.find(({ state }) => state === 'written')
  const content = entry?.content ?? null
  const isUnrecorded = newest !== undefined && newest.content !== undefined && newest.content !== content
  return {
    isUnrecorded,
    versions: versions.slice(0, maxVersions).map(({ version, timeMs, change, state, author, comment, of }) => ({
      version,
      at: timeMs,
      change,
      state,
      isLive: version === newest?.version && !isUnrecorded,
      ...(author !== undefined && { author }),
      ...(comment !== undefined && { comment }),
      ...(of !== undefined && { of }),
    })),
  }
}

function describeProblem({ line, reason }: NonNullable<DashboardVerification['problem']>): string {
  return `line ${line}: ${reason}`
}
