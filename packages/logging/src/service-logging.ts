import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  checkBoolean,
  checkFunction,
  checkKnownKeys,
  checkObject,
  guardListener,
  type Interceptor,
  invalidError,
  subscribeTelemetry,
  type TelemetryChannel,
} from '@sd/core'
import { describeCallEnd, eventLines, type LogLine } from './event-lines.ts'
import { readId, readOrMakeId, readTraceId, withoutQuery } from './ids.ts'
import { createLogContext, type LogContext } from './log-context.ts'
import { copyPlain } from './plain-copy.ts'
import { checkLogger, type LogLevel, type ServiceLogger } from './service-logger.ts'

/** Options of {@link createServiceLogging}. */
export interface ServiceLoggingOptions {
  /** Where the lines go. */
  readonly logger: ServiceLogger
  /** Context for the fields of requests, which every line has. Use it for your own lines too. @default a new one */
  readonly context?: LogContext
  /**
   * Whether the field `err` is a plain object with `name`, `message`, `stack`, `code` and `cause`, which every logger can
   * write. `false` passes the error itself, for a logger with a serializer for it. @default true
   */
  readonly plainErrors?: boolean
  /** Header with the request id. @default 'x-request-id' */
  readonly requestIdHeader?: string
  /** Header with the user id; `false` disables it. @default 'x-user-id' */
  readonly userIdHeader?: string | false
  /** Whether to log events of backends, registrations, breakers, clusters, calls and configurations in this process. @default true */
  readonly events?: boolean
  /** Selects the served requests to log; `path` has no query. @default all */
  readonly isLogged?: (request: { readonly method: string; readonly path: string }) => boolean
}

/** The part of a Fastify instance that {@link ServiceLogging.addFastifyHooks} uses. */
export interface FastifyHooks {
  /** Adds a hook. */
  addHook(
    name: 'onRequest' | 'preValidation',
    hook: (request: { readonly raw: IncomingMessage }, reply: { readonly raw: ServerResponse }, done: () => void) => void,
  ): unknown
}

/** Logging of served requests and of calls. */
export interface ServiceLogging extends AsyncDisposable {
  /** The fields of the request that is served, for your own lines. */
  readonly context: LogContext
  /** For `interceptors.call` of the client: sends the ids, and logs the call when it has ended. */
  readonly interceptor: Interceptor
  /**
   * For Express (`app.use`), and for `node:http` around your listener: reads the ids, runs `next` in the context of the request,
   * and logs the request when it has ended. The response has the request id in its header too.
   */
  readonly middleware: (request: IncomingMessage, response: ServerResponse, next: () => void) => void
  /** Adds the same as hooks to Fastify. Call it on the root instance, before routes are added. */
  addFastifyHooks(app: FastifyHooks): void
  /** Stops logging calls and events. Idempotent. */
  close(): Promise<void>
}

/** Runs a function in the asynchronous context of a request or call. */
type Scope = (work: () => void) => void

const keys = ['logger', 'context', 'plainErrors', 'requestIdHeader', 'userIdHeader', 'events', 'isLogged'] as const

/**
 * Logs requests, calls and events, and propagates request id and user id from service to service. Call it at the start of the
 * process, not while a request is served.
 *
 * @throws SdError `SD_INVALID` naming the option
 */
export function createServiceLogging(options: ServiceLoggingOptions): ServiceLogging {
  checkKnownKeys('', checkObject('options', options), keys)
  const { logger, context = createLogContext(), isLogged = () => true } = options
  const plainErrors = checkBoolean('plainErrors', options.plainErrors ?? true)
  const requestIdHeader = checkHeader('requestIdHeader', options.requestIdHeader ?? 'x-request-id')
  const userIdHeader =
    options.userIdHeader === false ? undefined : checkHeader('userIdHeader', options.userIdHeader ?? 'x-user-id')
  checkLogger(logger)
  checkFunction('context.run', checkObject('context', context)['run'] as LogContext['run'])
  checkFunction('isLogged', isLogged)

  /** Scope of every request and call in progress. An event can arrive in the asynchronous context of another one, which must not be read. */
  const scopes = new WeakMap<object, Scope>()
  const outside: Scope = AsyncLocalStorage.snapshot()

  const writer = createWriter(logger, context, plainErrors)
  function write(line: LogLine, owner?: object): void {
    if (!writer.isEnabled(line.level)) return
    const scope = (owner && scopes.get(owner)) ?? outside
    scope(() => writer.write(line))
  }
  function wantsLine(request: { readonly method: string; readonly path: string }): boolean {
    try {
      return isLogged(request)
    } catch {
      return true
    }
  }

  const interceptor: Interceptor = (call, next) => {
    const known = context.get()
    // An empty or unacceptable header is treated as missing.
    const requestId = readId(call.headers[requestIdHeader]) ?? readOrMakeId(known.request_id)
    call.headers[requestIdHeader] = requestId
    const userId = readId(known.user_id)
    if (userIdHeader !== undefined && userId !== undefined) call.headers[userIdHeader] ||= userId
    return context.run({ request_id: requestId }, () => {
      scopes.set(call, AsyncLocalStorage.snapshot())
      return next()
    })
  }

  function middleware(request: IncomingMessage, response: ServerResponse, next: () => void): void {
    const startedAt = performance.now()
    const { method = 'GET', url = '/', headers } = request
    const path = withoutQuery(url)
    const fields = {
      request_id: readOrMakeId(headers[requestIdHeader]),
      user_id: userIdHeader === undefined ? undefined : readId(headers[userIdHeader]),
      trace_id: readTraceId(headers['traceparent']),
    }
    response.setHeader(requestIdHeader, fields.request_id)
    context.run(fields, () => {
      scopes.set(request, AsyncLocalStorage.snapshot())
      response.once('close', () => {
        if (wantsLine({ method, path })) write(describeRequest({ method, path, response, startedAt }), request)
      })
      next()
    })
  }

  const subscriptions = [
    subscribeTelemetry('sd:v1:call:end', (event) => {
      // Calls of a client without the interceptor are not logged.
      if (scopes.has(event.call)) write(describeCallEnd(event), event.call)
    }),
  ]
  if (checkBoolean('events', options.events ?? true)) {
    for (const [name, describe] of Object.entries(eventLines) as [TelemetryChannel, (event: unknown) => LogLine][]) {
      subscriptions.push(subscribeTelemetry(name, (event) => write(describe(event), 'call' in event ? event.call : undefined)))
    }
  }

  const logging: ServiceLogging = {
    context,
    interceptor,
    middleware,
    addFastifyHooks(app) {
      app.addHook('onRequest', (request, reply, done) => middleware(request.raw, reply.raw, done))
      // Between the two hooks Fastify reads the body, and continues in the context of the connection.
      app.addHook('preValidation', (request, _, done) => (scopes.get(request.raw) ?? outside)(done))
    },
    async close() {
      for (const unsubscribe of subscriptions.splice(0)) unsubscribe()
    },
    [Symbol.asyncDispose]: () => logging.close(),
  }
  return logging
}

/** Writes lines with the fields of the context. */
interface Writer {
  isEnabled(level: LogLevel): boolean
  write(line: LogLine): void
}

/** A logger may throw, for example for its values. That must not end the process. */
function createWriter(logger: ServiceLogger, context: LogContext, plainErrors: boolean): Writer {
  return {
    isEnabled(level) {
      try {
        return logger.isLevelEnabled?.(level) ?? true
      } catch {
        return true
      }
    },
    write: guardListener('logger', ({ level, message, fields: { err, ...fields } }: LogLine) => {
      const error = err === undefined ? {} : { err: plainErrors ? copyPlain(err) : err }
      // The logger may not read the context.
      return logger.log(level, message, { ...context.get(), ...fields, ...error })
    }),
  }
}

/** A request that has ended. */
interface ServedRequest {
  readonly method: string
  readonly path: string
  readonly response: ServerResponse
  readonly startedAt: number
}

function describeRequest({ method, path, response, startedAt }: ServedRequest): LogLine {
  const { statusCode: status, writableFinished } = response
  const fields = { method, path, status, duration_ms: Math.round(performance.now() - startedAt) }
  if (!writableFinished) return { level: 'warn', message: 'request aborted', fields }
  return { level: status >= 500 ? 'error' : 'info', message: 'request ended', fields }
}

function checkHeader(field: string, name: unknown): string {
  if (typeof name === 'string' && /^[\w-]{1,100}$/.test(name)) return name.toLowerCase()
  throw invalidError(field, name, 'a header name')
}
