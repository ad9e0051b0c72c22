import { checkInteger, checkText } from '@sd/core'
import type { AdminControls, AdminHistory, AdminVersion } from '../controls.ts'
import type { HistoryVersion } from '../protocol.ts'
import { type ChangeRequest, type ChangeRoute, checkBody, checkSegment, notFound } from './change.ts'

const control = 'histories'
const longestContent = 1_048_576

/** `POST /histories/{name}/rollback` and `/histories/{name}/put`: writes a version, if the current one is as expected. */
export const historyRoutes: readonly ChangeRoute[] = [
  {
    path: ['histories', '*', 'rollback'],
    control,
    action: 'history.rollback',
    prepare(request) {
      checkBody(request.body, ['version', 'ifVersion'])
      const { name, history, options } = readTarget(request)
      const version = checkVersion('body.version', request.body['version'], 1)
      return {
        target: name,
        before: { version: options.ifVersion },
        run: async ({ signal }) => toHistoryVersion(await history.rollback(version, { ...options, signal })),
      }
    },
  },
  {
    path: ['histories', '*', 'put'],
    control,
    action: 'history.put',
    prepare(request) {
      checkBody(request.body, ['content', 'ifVersion'])
      const { name, history, options } = readTarget(request)
      const content = checkText('body.content', request.body['content'], longestContent)
      return {
        target: name,
        before: { version: options.ifVersion },
        run: async ({ signal }) => toHistoryVersion(await history.put(content, { ...options, signal })),
      }
    },
  },
]

/** A history that was handed over. @throws SdError `SD_NOT_FOUND` */
export function findHistory({ histories = {} }: AdminControls, name: string): AdminHistory {
  if (!Object.hasOwn(histories, name)) throw notFound(`The history ${name}`)
  return histories[name] as AdminHistory
}

/** Returns a number of a version. @throws SdError `SD_INVALID` */
export function checkVersion(field: string, value: unknown, min: number): number {
  return checkInteger(field, value, { min, max: Number.MAX_SAFE_INTEGER })
}

/** A version without its content. */
export function toHistoryVersion({ version, change, state, timeMs, author, comment, of }: AdminVersion): HistoryVersion {
  return {
    version,
    change,
    state,
    at: timeMs,
    ...(author !== undefined && { author }),
    ...(comment !== undefined && { comment }),
    ...(of !== undefined && { of }),
  }
}

function readTarget({ controls, segments, body, reason, by }: ChangeRequest) {
  const name = checkSegment('history', segments[0])
  const options = { author: by, comment: reason, ifVersion: checkVersion('body.ifVersion', body['ifVersion'], 0) }
  return { name, history: findHistory(controls, name), options }
}
