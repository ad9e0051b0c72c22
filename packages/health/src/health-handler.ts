import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkFunction, checkKnownKeys, checkObject, invalidError } from '@sd/core'
import type { HealthReporter } from './health-reporter.ts'

/** Options of {@link createHealthHandler}. */
export interface HealthHandlerOptions {
  /** Path of the status of all checks; `/live` and `/ready` below it say only that. @default '/health' */
  readonly path?: string
}

/** The answer to a request for health. It can be given to `new Response(answer.body, answer)`. */
export interface ProbeResponse {
  /** 200, or 503. */
  readonly status: 200 | 503
  /** Its headers. */
  readonly headers: Readonly<Record<string, string>>
  /** Its body, JSON. */
  readonly body: string
}

/** Answers a request for health. @returns whether it was one; otherwise the request is untouched */
export interface HealthHandler {
  (request: IncomingMessage, response: ServerResponse): boolean
  /** The answer for a path without query, for servers of any kind; `undefined` for another path. */
  health(path: string): ProbeResponse | undefined
}

const headers = Object.freeze({ 'content-type': 'application/json', 'cache-control': 'no-store' })

/**
 * Makes a handler for `node:http` servers, and for others by its `health(path)`: 200 if the process is ready (on `/live`: live), else 503. It tells statuses, but no errors, which
 * are not for everybody's eyes: `report()` has them.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHealthHandler(reporter: HealthReporter, options: HealthHandlerOptions = {}): HealthHandler {
  checkFunction('reporter.report', checkObject('reporter', reporter)['report'] as () => void)
  checkKnownKeys('', options, ['path'])
  const { path: root = '/health' } = options
  if (typeof root !== 'string' || !/^(\/[\x21-\x2e\x30-\x7e]+)+$/.test(root))
    throw invalidError('path', root, 'a path from the slash, without one at the end')

  function answer(path: string): { readonly ok: boolean; readonly body: object } | undefined {
    if (!path.startsWith(root)) return undefined
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

  function health(path: string): ProbeResponse | undefined {
    const found = answer(path)
    return found && { status: found.ok ? 200 : 503, headers, body: JSON.stringify(found.body) }
  }

  function handle(request: IncomingMessage, response: ServerResponse): boolean {
    const found = health(request.url?.split('?', 1)[0] ?? '')
    if (!found) return false
    response.writeHead(found.status, { ...found.headers })
    response.end(found.body)
    return true
  }
  return Object.assign(handle, { health })
}
