import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkKnownKeys, invalid } from '@sd/core'
import type { HealthReporter } from './health-reporter.ts'

/** Options of {@link createHealthHandler}. */
export interface HealthHandlerOptions {
  /** Path of the status of all checks; `/live` and `/ready` below it say only that. @default '/health' */
  readonly path?: string
}

/** Answers a request for health. @returns whether it was one; otherwise the request is untouched */
export type HealthHandler = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * Makes a handler for `node:http` servers: 200 if the process is ready (on `/live`: live), else 503. It tells statuses, but no errors, which
 * are not for everybody's eyes: `report()` has them.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHealthHandler(reporter: HealthReporter, options: HealthHandlerOptions = {}): HealthHandler {
  checkKnownKeys('', options, ['path'])
  const { path: root = '/health' } = options
  if (typeof root !== 'string' || !/^(\/[\x21-\x2e\x30-\x7e]+)+$/.test(root))
    throw invalid('path', root, 'a path from the slash, without one at the end')

  function answer(path: string | undefined): { readonly ok: boolean; readonly body: object } | undefined {
    if (path === undefined || !path.startsWith(root)) return undefined
    const { status, isLive, isReady, checks } = reporter.report()
    switch (path.slice(root.length)) {
      case '':
        return {
          ok: isReady,
          body: { status, checks: Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, check.status])) },
        }
      case '/live':
        return { ok: isLive, body: { live: isLive } }
      case '/ready':
        return { ok: isReady, body: { ready: isReady } }
      default:
        return undefined
    }
  }

  return (request, response) => {
    const found = answer(request.url?.split('?', 1)[0])
    if (!found) return false
    response.writeHead(found.ok ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(found.body))
    return true
  }
}
