import type { App } from '@sd/app'
import { toSdError } from '@sd/core'
import type { FastifyInstance } from 'fastify'
import type { ResolvedFastifyOptions } from './options.ts'

/** `close` of Fastify: a promise without a listener. */
type Close = (listener?: () => void) => Promise<undefined> | undefined

/** The start of a service whose end is `close()` of its application. */
export interface Drained {
  /** Registers the application, which listens. Does not wait for the registry. */
  readonly start: () => void
}

/**
 * Makes `close()` of an application end its service: it leaves the registry, is served until callers know, Fastify's
 * own `close()` runs, then the client and the other parts are closed.
 *
 * Neither `preClose` nor `onClose` can do that: before the first of them runs, Fastify responds to every request with 503. So
 * the method itself is replaced, on the root, from which all other instances inherit it.
 */
export function drainOnClose(
  fastify: FastifyInstance,
  app: App,
  { failOnRefusal, onError }: Pick<ResolvedFastifyOptions, 'failOnRefusal' | 'onError'>,
): Drained {
  const root = rootOf(fastify)
  const closeFastify = root.close.bind(root) as Close
  let isStarted = false
  let finishing: Promise<undefined> | undefined
  let ending: Promise<undefined> | undefined

  function finish(): Promise<undefined> {
    finishing ??= Promise.resolve(closeFastify())
    return finishing
  }

  async function end(): Promise<undefined> {
    // Without a server nothing drains, and hooks of the application may still use the client.
    if (!isStarted) await finish().catch(() => undefined)
    await app.close()
    return finish()
  }

  function close(listener?: () => void): Promise<undefined> | undefined {
    ending ??= end()
    if (!listener) return ending
    const tell = (): void => void closeFastify(listener)
    ending.then(tell, tell)
    return undefined
  }
  root.close = close as FastifyInstance['close']

  async function register(): Promise<void> {
    try {
      // The drain calls close() of what it is given: that of Fastify.
      await app.start(Object.create(root, { close: { value: finish } }))
    } catch (error) {
      if (ending) return
      onError(toSdError(error, 'SD_UNAVAILABLE', 'Registering the application'))
      if (!failOnRefusal) return
      process.exitCode = 1
      await root.close().catch(() => undefined)
    }
  }

  return {
    start() {
      if (ending) return
      isStarted = true
      void register()
    },
  }
}

/** The instance from which all others inherit. */
export function rootOf(fastify: FastifyInstance): FastifyInstance {
  const parent = Object.getPrototypeOf(fastify) as FastifyInstance | null
  return parent && typeof parent.register === 'function' ? rootOf(parent) : fastify
}
