import { createApp } from '@sd/app'
import { invalidError } from '@sd/core'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { drainOnClose, rootOf } from './drain-on-close.ts'
import { resolveFastifyOptions, type SdFastifyOptions } from './options.ts'
import { addProbeRoutes, addRequestHooks } from './request-hooks.ts'

/**
 * Makes a Fastify application a service: `app.sd` has its client, discovery, registry and configuration. The instance is
 * registered while the application listens, and never under `inject()`. `app.close()` and signals remove it from the
 * registry, wait until callers know, and end the application in Fastify's own order.
 *
 * Registering it fails with an SdError `SD_INVALID` that names the option, or with the error of a part that cannot start.
 */
export const sdFastify: FastifyPluginAsync<SdFastifyOptions> = fp(addService, { name: '@sd/fastify', fastify: '5.x' })

async function addService(fastify: FastifyInstance, options: SdFastifyOptions): Promise<void> {
  if (fastify.hasDecorator('sd')) throw invalidError('sdFastify', 'a second registration', 'one service for each application')
  const resolved = resolveFastifyOptions(options)
  const app = await createApp(resolved.app)
  fastify.decorate('sd', app as FastifyInstance['sd'])
  addRequestHooks(fastify, app, resolved)
  if (rootOf(fastify) !== fastify) addProbeRoutes(fastify, app, resolved)
  const { start } = drainOnClose(fastify, app, resolved)
  fastify.addHook('onListen', async () => start())
}
