import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import type { Duplex } from 'node:stream'
import { checkFunction, reportStates } from '@sd/core'
import type { Admission, RequestHead } from './admission.ts'
import { watchBody } from './body-watch.ts'
import { createDecider } from './decide.ts'
import { type NodeRequest, type NodeResponse, readHead } from './node-request.ts'
import { resolveServerLimitsOptions, type ServerLimitsOptions } from './options.ts'
import { refuse, refuseRaw } from './refuse.ts'
import { ServedRequest } from './served-request.ts'

/** A request that was admitted. */
export type LimitedRequest<Request extends object = IncomingMessage> = Request & {
  /** Fires when the caller leaves before its answer was sent (`SD_ABORTED`), and at the deadline (`SD_DEADLINE_EXCEEDED`). Hand it to what is done for the request. */
  readonly signal: AbortSignal
}

/** What of a Fastify application the hook needs. */
export interface FastifyHooks {
  /** Adds a hook. */
  addHook(
    name: 'onRequest',
    hook: (
      request: { readonly raw: NodeRequest },
      reply: { readonly raw: NodeResponse; hijack(): unknown; getHeaders(): Record<string, unknown> },
      done: () => void,
    ) => void,
  ): unknown
}

interface Serving {
  readonly request: NodeRequest
  readonly response: NodeResponse
  /** The framework's object for the request, which gets `signal` too. */
  readonly source?: object
  readonly application: () => unknown
  /** Called before a refusal is written. */
  readonly beforeRefusal?: () => void
}

/** Limits of one server. */
export interface ServerLimits extends Disposable {
  /** Name of the server. */
  readonly name: string
  /**
   * Decides on a request, for servers and frameworks without a method of their own here. The caller answers with `refusal`, if there is one, and calls `settle` in any
   * case when the answer was sent or broken off. Does not throw, nor reject.
   *
   * @param options.signal ends the wait for a place, as when the caller leaves
   */
  admit(request: RequestHead, options?: { readonly signal?: AbortSignal | undefined }): Admission | Promise<Admission>
  /** Wraps a handler of `node:http`, `node:https`, or `node:http2` with its compatible API. */
  handler<Request extends NodeRequest, Response extends NodeResponse>(
    application: (request: LimitedRequest<Request>, response: Response) => unknown,
  ): (request: Request, response: Response) => void
  /**
   * The same for the event `checkContinue` of such a server: a caller that asks before it sends its body (`Expect: 100-continue`) is told to
   * go on once it is admitted. Without it Node tells everybody to go on, before anything is decided.
   */
  checkContinue<Request extends NodeRequest, Response extends NodeResponse>(
    application: (request: LimitedRequest<Request>, response: Response) => unknown,
  ): (request: Request, response: Response) => void
  /** For Express and Connect: `app.use(limits.middleware)`, before what reads bodies. `request.signal` is set. */
  middleware(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void
  /** For Fastify: limits all routes that are added after it, in `onRequest`, before bodies are read. `request.signal` is set, also on `request.raw`. */
  addFastifyHooks(app: FastifyHooks): void
  /** Wraps a listener of the event `upgrade`: WebSockets are limited by rate and by `streams`, for as long as they are open. */
  upgradeListener<Head>(
    application: (request: IncomingMessage, socket: Duplex, head: Head) => unknown,
  ): (request: IncomingMessage, socket: Duplex, head: Head) => void
  /** What was decided on a request that is served: its deadline and priority, for the calls that are made for it. @param request as Node or the framework has it */
  admissionOf(request: object): Admission | undefined
  /** Ends the reports of its state to metrics. The limiter and the limits are the application's, which closes them. Idempotent. */
  close(): void
}

/**
 * Makes limits for a server, so that it stays fast for those whom it lets in: how often a caller may ask, how much is served at once, and no work for
 * callers that have given up. What is refused is answered at once, with 429, 503 or 504, before its body is read.
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
        // The response is the application's, which may answer when its reading of the body fails: this must not make it fail twice.
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
      app.addHook('onRequest', (request, reply, done) => {
        const { raw: response } = reply
        serve({
          request: request.raw,
          response,
          source: request,
          application: done,
          beforeRefusal() {
            // What earlier hooks set, such as fields for CORS, belongs to a refusal too.
            for (const [field, value] of Object.entries(reply.getHeaders())) response.setHeader(field, value as string)
            reply.hijack()
          },
        })
      })
    },
    upgradeListener(application) {
      checkFunction('application', application)
      return (request, socket, head) => {
        void admitUpgrade(socket, decideStream(readHead(request)), () => application(request, socket, head))
      }
    },
    admissionOf: (request) => admissions.get(request),
    close: endReports,
    [Symbol.dispose]: endReports,
  }
}

/** Waits for the decision on an upgrade, and refuses it or hands it over. */
async function admitUpgrade(socket: Duplex, decision: Promise<Admission>, application: () => unknown): Promise<void> {
  // Without a listener an error of the connection would end the process while the rate limiter is asked.
  const ignore = (): void => {}
  socket.on('error', ignore)
  const admission = await decision
  socket.off('error', ignore)
  if (socket.destroyed) admission.settle({ ok: true })
  else if (admission.refusal) refuseRaw(socket, admission.refusal)
  else {
    socket.once('close', () => admission.settle({ ok: true }))
    application()
  }
}
