import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkFunction, checkKnownKeys, checkObject, invalidError } from '@sd/core'
import type { HealthReporter } from './health-reporter.ts'

/** Options of {@link createHealthHandler}. */
export interface HealthHandlerOptions {
  /** Path for the status of all checks. `/live` and `/ready` below it report only that. @default '/health' */
  readonly path?: string
}

/** The response to a health probe. Can be passed to `new Response(result.body, result)`. */
export interface ProbeResponse {
  /** 200 if the probe succeeds, otherwise 503. */
  readonly status: 200 | 503
  /** Header fields. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

/** Handles a request for a health path. @returns whether it was one; if not, the request is untouched */
export interface HealthHandler {
  (request: IncomingMessage, response: ServerResponse): boolean
  /** The response for a path without query, for any kind of server; `undefined` for another path. */
  health(path: string): ProbeResponse | undefined
}

const headers = Object.freeze({ 'content-type': 'application/json', 'cache-control': 'no-store' })

/**
 * Creates a handler for `node:http` servers, and with `health(path)` for any other. The status is 200 if the process is
 * ready (on `/live`: live), otherwise 503. The body has statuses but no errors, because those are not for everyone.
 * `report()` has them.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHealthHandler(reporter: HealthReporter, options: HealthHandlerOptions = {}): HealthHandler {
  checkFunction('reporter.report', checkObject('reporter', reporter)['report'] as () => void)
  checkKnownKeys('', options, ['path'])
  const { path: root = '/health' } = options
  if (typeof root !== 'string' || !/^(\/[\x21-\x2e\x30-\x7e]+)+$/.test(root))
    throw invalidError('path', root, 'a path that begins with a slash and does not end with one')

  function respond(path: string): { readonly ok: boolean; readonly body: object } | undefined {
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
    const found = respond(path)
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
