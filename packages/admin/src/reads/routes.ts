import { collectStates, inquire, invalidError, masking } from '@sd/core'
import { checkVersion, findHistory, toHistoryVersion } from '../changes/histories.ts'
import type { ResolvedAdminOptions } from '../options.ts'
import type { AdminControl, HistoriesReport, HistoryDiffReport, HistoryReport, StatesReport } from '../protocol.ts'
import type { Recorder } from '../record/recorder.ts'
import { readProcessInfo } from './process-info.ts'
import { readHealth, readLocks } from './snapshot.ts'

/** What an answer is made of. */
export interface ReadRequest {
  readonly options: ResolvedAdminOptions
  readonly recorder: Recorder
  /** What the principal may change. */
  readonly controls: readonly AdminControl[]
  /** Variable segments of the path. */
  readonly segments: readonly string[]
  /** Query fields; only those that the route knows. */
  readonly query: Readonly<Record<string, string | undefined>>
  /** Aborts when it takes too long. */
  readonly signal: AbortSignal
}

/** Something that can be read. */
export interface ReadRoute {
  /** Segments of the path; `*` stands for a variable one. */
  readonly path: readonly string[]
  /** Known query fields. */
  readonly query: readonly string[]
  /** Must change nothing. @throws SdError */
  read(request: ReadRequest): unknown
}

/** What can be read besides `/snapshot` and `/events`. */
export const readRoutes: readonly ReadRoute[] = [
  { path: [], query: [], read: ({ options, controls }) => readProcessInfo(options, controls) },
  { path: ['states'], query: [], read: (): StatesReport => ({ states: collectStates() }) },
  { path: ['endpoints'], query: ['service'], read: ({ query }) => ({ answers: inquire('endpoints', query) }) },
  { path: ['calls'], query: ['service'], read: ({ query }) => ({ answers: inquire('calls', query) }) },
  { path: ['config'], query: ['config', 'path'], read: ({ query }) => ({ answers: inquire('config', query) }) },
  { path: ['alerts'], query: [], read: () => ({ answers: inquire('alerts') }) },
  { path: ['locks'], query: [], read: () => ({ answers: readLocks() }) },
  { path: ['lifecycle'], query: [], read: () => ({ answers: inquire('lifecycle') }) },
  { path: ['health'], query: [], read: () => ({ answers: readHealth() }) },
  { path: ['gateways'], query: [], read: () => ({ answers: inquire('gateways') }) },
  { path: ['edges'], query: [], read: ({ recorder }) => recorder.edges.report() },
  {
    path: ['samples'],
    query: ['series', 'service'],
    read: ({ recorder, query }) => recorder.samples.report(query['series']?.split(','), query['service']),
  },
  { path: ['slow'], query: [], read: ({ recorder }) => recorder.slow.report() },
  {
    path: ['histories'],
    query: [],
    read: ({ options }): HistoriesReport => ({ histories: Object.keys(options.controls.histories ?? {}) }),
  },
  {
    path: ['histories', '*'],
    query: [],
    async read({ options, segments: [history = ''], signal }): Promise<HistoryReport> {
      const versions = await findHistory(options.controls, history).list({ signal, sync: false })
      return { history, versions: versions.map(toHistoryVersion) }
    },
  },
  { path: ['histories', '*', 'diff'], query: ['before', 'after'], read: compareVersions },
]

/** Differences between two versions. They are masked here too, because a history can be made without masking. */
async function compareVersions({ options, segments: [name = ''], query, signal }: ReadRequest): Promise<HistoryDiffReport> {
  const [before, after] = ['before', 'after'].map((field) => {
    const text = query[field]
    if (text === undefined || !/^\d{1,15}$/.test(text)) throw invalidError(field, text, 'the number of a version')
    return checkVersion(field, Number(text), 1)
  }) as [number, number]
  const found = await findHistory(options.controls, name).diff(before, after, { signal })
  return {
    differences: found.map(({ path, kind, ...values }) => {
      const keys = path.split('.')
      return {
        path,
        kind,
        ...(values.before !== undefined && { before: masking.value(values.before, keys) }),
        ...(values.after !== undefined && { after: masking.value(values.after, keys) }),
      }
    }),
  }
}
