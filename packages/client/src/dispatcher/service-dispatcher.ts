import { closedError, toSdError } from '@sd/core'
import { Dispatcher, errors } from 'undici'
import type { ForwardContext } from '../forward/forward-init.ts'
import { Forwarding } from '../forward/forwarding.ts'
import { checkHandler, readDispatch } from './dispatch-options.ts'
import { DispatchedHandler } from './dispatched-handler.ts'

/**
 * An undici Dispatcher for which the host of an origin is the name of a service. Its requests and upgrades are calls of
 * the client, with all policies.
 */
export function createServiceDispatcher(context: ForwardContext): Dispatcher {
  return new ServiceDispatcher(context)
}

// Inheritance, because undici's own request, stream and pipeline are methods of Dispatcher over dispatch.
class ServiceDispatcher extends Dispatcher {
  readonly #context: ForwardContext

  constructor(context: ForwardContext) {
    super()
    this.#context = context
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (typeof handler !== 'object' || handler === null) throw new errors.InvalidArgumentError('handler must be an object')
    const dispatched = new DispatchedHandler(handler, options ?? {})
    try {
      if (this.#context.openCalls.isClosed) throw closedError('client')
      const init = readDispatch(this.#context, options)
      checkHandler(handler, init)
      dispatched.begin(new Forwarding(this.#context, init, dispatched))
      return true
    } catch (error) {
      // As undici does for requests that it rejects.
      if (typeof handler.onResponseError !== 'function') throw error
      dispatched.refuse(error instanceof errors.UndiciError ? error : toSdError(error, 'SD_INVALID', 'Dispatching'))
      return false
    }
  }

  override async close(): Promise<void> {
    // The client closes the connections.
  }

  override async destroy(): Promise<void> {
    // As for `close`.
  }
}
