import type { App } from '@sd/app'
import { readDeadline } from '@sd/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ResolvedFastifyOptions } from './options.ts'

/**
 * Adds the hooks of requests, in this order: health and metrics, which nothing logs, traces or refuses; traces; lines;
 * limits; the deadline.
 */
export function addRequestHooks(fastify: FastifyInstance, app: App, options: ResolvedFastifyOptions): void {
  const { tracing, logging, limits } = options
  fastify.addHook('onRequest', (request, reply, done) => {
    if (app.handle(request.raw, reply.raw)) reply.hijack()
    else done()
  })
  const trace = tracing?.middleware
  if (trace) fastify.addHook('onRequest', (request, reply, done) => trace(request as never, reply as never, done))
  logging?.addFastifyHooks?.(fastify as never)
  limits?.addFastifyHooks(fastify as never)
  fastify.decorateRequest('deadlineAt', undefined)
  fastify.addHook('onRequest', (request, _, done) => {
    // Now, because the caller sends how much time is left.
    const deadlineAt = limits ? limits.admissionOf(request)?.deadlineAt : readDeadline(request.headers)
    ;(request as { -readonly [Key in keyof FastifyRequest]: FastifyRequest[Key] }).deadlineAt = deadlineAt
    done()
  })
  if (limits) fastify.addHook('onClose', async () => limits.close())
}

/**
 * Adds routes for health and metrics, for a service that is registered inside a plugin: the hooks see requests for routes of
 * that plugin only.
 */
export function addProbeRoutes(
  fastify: FastifyInstance,
  app: App,
  { app: { metrics }, probePaths, metricsPath }: ResolvedFastifyOptions,
): void {
  for (const path of probePaths) {
    fastify.get(path, (_, reply) => {
      reply.hijack()
      app.handle({ url: path }, reply.raw)
    })
  }
  if (!metrics || metricsPath === undefined) return
  fastify.get(metricsPath, (request, reply) => {
    reply.hijack()
    metrics.handler(request.raw as never, reply.raw as never)
  })
}
