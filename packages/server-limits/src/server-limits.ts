import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import type { Duplex } from 'node:stream'
import { checkFunction, reportStates } from '@sd/core'
import type { Admission, RequestHead } from './admission.ts'
import { admitUpgrade } from './admit-upgrade.ts'
import { watchBody } from './body-watch.ts'
import { createDecider } from './decide.ts'
import { createFastifyHook, type FastifyHooks, type Serving } from './fastify-hook.ts'
import { type NodeRequest, type NodeResponse, readHead } from './node-request.ts'
import { resolveServerLimitsOptions, type ServerLimitsOptions } from './options.ts'
import { refuse, refuseRaw } from './refuse.ts'
import { ServedRequest } from './served-request.ts'

/** A request that was admitted. */
export type LimitedRequest<Request extends object = IncomingMessage> = Request & {
  /**
   * Aborts when the caller disconnects before the response was sent (`SD_ABORTED`), and at the deadline
   * (`SD_DEADLINE_EXCEEDED`). Pass it to all work for the request.
   */
  readonly signal: AbortSignal
}

/** Limits of one server. */
export interface ServerLimits extends Disposable {
  /** Name of the server. */
  readonly name: string
  /**
   * Decides about a request, for servers and frameworks that have no method here. The caller sends `refusal`, if there is
   * one. In any case it calls `settle` when the response was sent or aborted. Neither throws nor rejects.
   *
   * @param options.signal ends the wait for a place, for example when the caller disconnects
   */
  admit(request: RequestHead, options?: { readonly signal?: AbortSignal | undefined }): Admission | Promise<Admission>
  /** Wraps a handler of `node:http`, `node:https`, or `node:http2` with its compatible API. */
  handler<Request extends NodeRequest, Response extends NodeResponse>(
    application: (request: LimitedRequest<Request>, response: Response) => unknown,
  ): (request: Request, response: Response) => void
  /**
   * Wraps a handler for the event `checkContinue` of such a server: a caller that asks before it sends its body (`Expect:
   * 100-continue`) is asked to continue once it is admitted. Without it Node asks every caller to continue, before any
   * decision.
   */
  checkContinue<Request extends NodeRequest, Response extends NodeResponse>(
    application: (request: LimitedRequest<Request>, response: Response) => unknown,
  ): (request: Request, response: Response) => void
  /** Middleware for Express and Connect: `app.use(limits.middleware)`, before body parsers. Sets `request.signal`. */
  middleware(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void
  /**
   * For Fastify: limits all routes that are added later, in `onRequest`, before bodies are read. Sets `request.signal`,
   * also on `request.raw`. WebSockets of `@fastify/websocket` are limited as by `upgradeListener`.
   */
  addFastifyHooks(app: FastifyHooks): void
  /** Wraps a listener of the event `upgrade`. WebSockets are limited by rate and by `streams` for as long as they are open. */
  upgradeListener<Head>(
    application: (request: IncomingMessage, socket: Duplex, head: Head) => unknown,
  ): (request: IncomingMessage, socket: Duplex, head: Head) => void
  /**
   * The decision about a request that is being served, with its deadline and priority for further calls.
   *
   * @param request the object of Node or the framework
   */
  admissionOf(request: object): Admission | undefined
  /** Stops reporting to metrics. You must close the limiter and the limits yourself. Idempotent. */
  close(): void
}

/**
 * Creates limits for a server, so that it stays fast for the requests that it admits: a rate per caller, a number of
 * concurrent requests, and no work for callers that have given up. Refused requests get a 429, 503 or 504 at once, before
 * their body is read.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createServerLimits(options: ServerLimitsOptions = {}): ServerLimits {
  const settings = resolveServerLimitsOptions(options)
  const { name, concurrency, streams, bodyIdleTimeoutMs } = settings
  const { decide, decideStream, refuse: makeRefusal } = createDecider(settings)
  const admissions = new WeakMap<object, Admission>()
  const endReports = reportStates(function* () {
    for (const limit of [concurrency, streams]) {
      if (limit) yield { kind: 'limit', limit: limit.name, service: name, ...limit.load }
    }
  })

  /** Serves or refuses one request. */
  function serve({ request, response, source = request, application, beforeRefusal }: Serving): void {
    const served = new ServedRequest(name, request, response)
    const head = readHead(request, source)
    const admission = decide(head, {
      signal(deadlineAt) {
        served.setDeadline(deadlineAt)
        return served.signal
      },
    })
    function proceed(decided: Admission): void {
      if (decided.refusal) {
        beforeRefusal?.()
        refuse(request, response, decided.refusal)
        return
      }
      served.admit(decided)
      if (served.isOver) return
      const signal = { configurable: true, get: () => served.signal }
      admissions.set(request, decided)
      Object.defineProperty(request, 'signal', signal)
      if (source !== request) {
        admissions.set(source, decided)
        Object.defineProperty(source, 'signal', signal)
      }
      watchBody(request, response, bodyIdleTimeoutMs, () => {
        const { refusal } = makeRefusal(head, 'body', decided.priority)
        // The application owns the response and may respond when reading the body fails. Do not respond a second time.
        if (refusal && !('stream' in request) && !response.headersSent) refuseRaw(request.socket, refusal)
        else if ('stream' in request) request.stream.close(constants.NGHTTP2_CANCEL)
        else request.destroy()
      })
      application()
    }
    if (admission instanceof Promise) void admission.then(proceed)
    else proceed(admission)
  }

  return {
    name,
    admit: (head, { signal } = {}) => decide(head, { signal: () => signal }),
    handler(application) {
      checkFunction('application', application)
      return (request, response) => serve({ request, response, application: () => application(request as never, response) })
    },
    checkContinue(application) {
      checkFunction('application', application)
      return (request, response) =>
        serve({
          request,
          response,
          application() {
            response.writeContinue()
            application(request as never, response)
          },
        })
    },
    middleware(request, response, next) {
      serve({ request, response, application: () => next() })
    },
    addFastifyHooks(app) {
      app.addHook(
        'onRequest',
        createFastifyHook({ serve, decideStream, note: (request, admission) => admissions.set(request, admission) }),
      )
    },
    upgradeListener(application) {
      checkFunction('application', application)
      return (request, socket, head) => {
        void admitUpgrade(socket, decideStream(readHead(request)), ({ refusal }) => {
          if (!refusal) application(request, socket, head)
        })
      }
    },
    admissionOf: (request) => admissions.get(request),
    close: endReports,
    [Symbol.dispose]: endReports,
  }
}
