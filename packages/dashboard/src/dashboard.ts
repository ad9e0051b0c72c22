import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkObject, guardListener, SdError, toWireError } from '@sd/core'
import { applyChange, type ChangeTargets, targetOf } from './changes/apply-change.ts'
import type { DashboardAuditEntry } from './changes/audit.ts'
import { readChange } from './changes/read-change.ts'
import { createConfigReader } from './configs/config-reader.ts'
import { createAssets } from './http/assets.ts'
import { Refusal, readJson, send, sendError, sendJson } from './http/exchange.ts'
import { createLogins } from './http/logins.ts'
import { READ_ROUTES, type RouteSources, whileOpen } from './http/routes.ts'
import { createModelStream } from './model/model-stream.ts'
import { type DashboardOptions, type ResolvedDashboardOptions, resolveDashboardOptions } from './options.ts'
import { resolveAuthentication } from './security/authentication.ts'
import { checkHost } from './security/hosts.ts'
import { checkChange, checkOrigin } from './security/same-origin.ts'

/** Longest time that an open stream of an application's own users is kept, in milliseconds: then they are asked for again. */
const streamMs = 900_000

/** A dashboard. */
export interface Dashboard extends AsyncDisposable {
  /**
   * Answers a request. Fits `createServer` of node:http and `app.use('/sd', handler)` of Express and Nest. Never throws.
   *
   * @returns `false` if the path is not below `basePath`; the response is then untouched
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Ends open streams and stops following the fleet. Requests are refused with 503 from then on. Idempotent. */
  close(): Promise<void>
}

/**
 * Creates the dashboard of a fleet, to be served by your own server. Without `write` it is read-only: there is no route that changes
 * anything.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  return assembleDashboard(
    resolveDashboardOptions(options, resolveAuthentication(checkObject('options', options)['authenticate'] as never)),
  )
}

/** @param now Unix milliseconds */
export function assembleDashboard(options: ResolvedDashboardOptions, now: () => number = Date.now): Dashboard {
  const { basePath, hosts, write, page } = options
  const assets = createAssets(page)
  const configs = createConfigReader(options.configs)
  const stream = createModelStream(options.fleet, options.onError)
  const sources: RouteSources = { fleet: options.fleet, configs, stream }
  const targets: ChangeTargets = { fleet: options.fleet, configs, registry: options.registry }
  const emit = guardListener('onAudit', options.onAudit)
  const logins = createLogins(options, audit, now)
  let isClosed = false

  function audit(entry: Omit<DashboardAuditEntry, 'at' | 'from'>, request: IncomingMessage): void {
    emit({ at: now(), from: request.socket.remoteAddress ?? '', ...entry })
  }

  async function change(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const principal = await logins.identify(request)
    if (!principal) throw new Refusal(401, 'Log in first')
    if (!principal.canWrite) throw new Refusal(403, `${principal.name} may not change anything`)
    const wanted = readChange(await readJson(request))
    const entry = { by: principal.name, action: wanted.action, target: targetOf(wanted), reason: wanted.reason }
    try {
      const outcome = await whileOpen(response, (signal) => applyChange(wanted, principal.name, targets, signal))
      audit({ ...entry, ...outcome }, request)
      sendJson(response, outcome)
    } catch (error) {
      audit({ ...entry, error: toWireError(error) }, request)
      throw error
    }
  }

  async function post(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isLogin = path === 'api/login' || path === 'api/logout' || path === 'api/code'
    if (!isLogin && !(write && path === 'api/changes'))
      throw new Refusal(405, 'Only GET is possible here', { allow: 'GET, HEAD' })
    checkChange(request)
    if (!isLogin) return change(request, response)
    await logins.post(path, request, response)
    stream.review()
  }

  async function get(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!path.startsWith('api/')) {
      if (!(await assets.serve(path === '' ? 'index.html' : path, request, response)))
        throw new Refusal(404, 'There is no such page')
      return
    }
    checkOrigin(request)
    if (path === 'api/session') return logins.describe(request, response)
    const route = READ_ROUTES.get(path)
    if (!route) throw new Refusal(404, 'There is no such resource')
    const principal = await logins.identify(request)
    if (!principal) throw new Refusal(401, 'Log in first')
    const endsAt = performance.now() + streamMs
    const hasSession = options.authentication.identify === undefined
    const isAllowed = (): boolean => (hasSession ? logins.isOpen(request) : performance.now() < endsAt)
    const query = new URL(request.url ?? '/', 'http://localhost').searchParams
    await route({ request, response, query, isAllowed }, sources)
  }

  async function respond(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      checkHost(hosts, request)
      if (isClosed) throw new SdError('SD_CLOSED', 'The dashboard is closed')
      const { method } = request
      if (method === 'GET' || method === 'HEAD') await get(path, request, response)
      else if (method === 'POST') await post(path, request, response)
      else throw new Refusal(405, 'Only GET is possible here', { allow: 'GET, HEAD' })
    } catch (error) {
      try {
        sendError(response, error)
      } catch {
        // Other code has written to the response. The application must go on.
        response.destroy()
      }
    }
  }

  async function close(): Promise<void> {
    isClosed = true
    stream.close()
  }

  return {
    handler(request, response) {
      const path = pathBelow(basePath, request.url ?? '/')
      if (path === undefined) return false
      const folder = folderWithoutSlash(request, path)
      if (folder !== undefined) send(response, 308, 'text/plain', '', { location: `${folder}/` })
      else void respond(path.slice(1), request, response)
      return true
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The path below the base path, with its leading slash; empty for the base path itself, `undefined` outside of it. */
function pathBelow(basePath: string, url: string): string | undefined {
  const [path = ''] = url.split(/[?#]/, 1)
  if (!path.startsWith(basePath)) return undefined
  const rest = path.slice(basePath.length)
  return rest === '' || rest.startsWith('/') ? rest : undefined
}

/**
 * The last part of a path such as `/sd`, if the page was asked for without a slash at the end: its files have relative addresses,
 * which need the slash. Express replaces the path by `/` and keeps the original one.
 */
function folderWithoutSlash(request: IncomingMessage, path: string): string | undefined {
  if (path !== '' && path !== '/') return undefined
  const { originalUrl = request.url } = request as { readonly originalUrl?: string; readonly url?: string }
  const [original = '/'] = (originalUrl ?? '/').split(/[?#]/, 1)
  const last = original.slice(original.lastIndexOf('/') + 1)
  return /^[\w.~%-]+$/.test(last) ? last : undefined
}
