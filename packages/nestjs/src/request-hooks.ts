import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import { type HeaderFields, readDeadline } from '@sd/core'
import type { Part } from './options.ts'
import type { SdApp } from './tokens.ts'

/** Middleware of Express, and hooks of Fastify that take the same. */
type Middleware = (request: never, response: never, next: () => void) => void

interface Raw {
  readonly raw: object
}

interface FastifyHooks {
  addHook(name: 'onRequest', hook: (request: Raw, reply: Raw & { hijack(): void }, done: () => void) => void): void
}

/** The part of Nest's adapters for Express and Fastify that is used here. */
export interface Adapter {
  getType(): string
  getInstance(): unknown
  use(middleware: unknown): void
  beforeClose?(): unknown
}

/** Whether an adapter serves requests: the one of an application in a test is another one at first. */
export function isServing(adapter: Adapter | undefined): adapter is Adapter {
  return Boolean(adapter?.getType())
}

/** Deadlines of requests in progress, by the request of Node. */
const deadlines = new WeakMap<object, number>()

/** Now, because the caller sends how much time is left. */
function noteDeadline(request: object, limits: Part['limits']): void {
  const { headers } = request as { readonly headers: HeaderFields }
  const deadlineAt = limits ? limits.admissionOf(request)?.deadlineAt : readDeadline(headers)
  if (deadlineAt !== undefined) deadlines.set(request, deadlineAt)
}

/**
 * Adds the hooks of requests, in this order: health and metrics, which nothing logs, traces or refuses; traces; lines; limits; the deadline. They
 * run before body parsers, guards and routes.
 */
export function addRequestHooks(adapter: Adapter, app: SdApp, { tracing, logging, limits }: Part): void {
  if (adapter.getType() !== 'fastify') {
    const note = (request: object, _: unknown, next: () => void): void => {
      noteDeadline(request, limits)
      next()
    }
    for (const one of [app.middleware, tracing?.middleware, logging?.middleware, limits?.middleware, note]) {
      if (one) adapter.use(one)
    }
    return
  }
  const fastify = adapter.getInstance() as FastifyHooks
  fastify.addHook('onRequest', (request, reply, done) => {
    if (app.handle(request.raw as never, reply.raw as never)) reply.hijack()
    else done()
  })
  const trace = tracing?.middleware as Middleware | undefined
  if (trace) fastify.addHook('onRequest', (request, reply, done) => trace(request as never, reply as never, done))
  logging?.addFastifyHooks?.(fastify as never)
  limits?.addFastifyHooks(fastify as never)
  fastify.addHook('onRequest', (request, _, done) => {
    noteDeadline(request.raw, limits)
    done()
  })
}

/**
 * A parameter of a route: the time by which the caller wants the response, by `performance.now()`, or `undefined`. Pass it to calls as `deadlineAt`,
 * so that nothing is done for a caller that has given up.
 */
export const DeadlineAt: () => ParameterDecorator = createParamDecorator((_: unknown, context: ExecutionContext) => {
  if (context.getType() !== 'http') return undefined
  const request = context.switchToHttp().getRequest<Partial<Raw>>()
  return deadlines.get(request.raw ?? request)
})
