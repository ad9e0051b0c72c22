import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, createUndiciTransport, type ServiceClient, serviceOrigin } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { type Dispatcher, errors } from 'undici'
import { createOriginSource, serviceAt } from '../origin-source.ts'

type Options = Dispatcher.DispatchOptions
type Dispatch = (options: Options, handler: Dispatcher.DispatchHandler) => boolean

/** A client whose services are origins, and which sends with a function of undici. */
function createOriginClient(dispatch: Dispatch): ServiceClient {
  return createServiceClient({
    discovery: createDiscovery({ source: createOriginSource(), coalesceMs: 0 }),
    balancer: createRoundRobinBalancer(),
    transport: createUndiciTransport({ dispatcher: { dispatch } as unknown as Dispatcher }),
    // As in undici: no time limit for the whole request, and a single attempt.
    timeoutMs: 0,
    retry: false,
    maxResponseBytes: 2 ** 31,
  })
}

// biome-ignore lint/suspicious/noExplicitAny: the constructors of undici's dispatchers have different arguments
type DispatcherClass = abstract new (...args: any[]) => Dispatcher

interface Limits {
  readonly headersTimeout?: number
  readonly bodyTimeout?: number
}

/** A dispatcher class of undici whose requests go through `client.dispatcher` before they reach undici. Connections,
 * events, properties, `close` and `destroy` are those of undici.
 *
 * @param takesOrigin whether the origin is the first argument of the constructor, as with `Client` and `Pool`; not for `Agent`
 */
export function throughClient<Base extends DispatcherClass>(base: Base, takesOrigin: boolean): Base {
  abstract class Through extends base {
    readonly sdOwn: string | undefined
    readonly sdLimits: Limits
    readonly sdClient: ServiceClient
    // Not private fields: undici passes itself on as a Proxy.
    /** Requests that have not reached undici yet. */
    sdWaiting = 0
    sdWhenStarted: (() => void)[] = []
    sdIsClosing = false

    // biome-ignore lint/suspicious/noExplicitAny: see above
    constructor(...args: any[]) {
      super(...args)
      this.sdOwn = takesOrigin ? originOf(args[0]) : undefined
      this.sdLimits = (args[takesOrigin ? 1 : 0] ?? {}) as Limits
      const dispatch = super.dispatch
      this.sdClient = createOriginClient((options, handler) => {
        this.sdStarted()
        return dispatch.call(this, options, handler)
      })
    }

    override dispatch(options: Options, handler: Dispatcher.DispatchHandler): boolean {
      const { closed, destroyed } = this as { closed?: boolean; destroyed?: boolean }
      if (closed || destroyed || typeof handler !== 'object' || handler === null) return super.dispatch(options, handler)
      if (this.sdIsClosing) {
        handler.onResponseError?.(null as never, new errors.ClientClosedError())
        return false
      }
      this.sdWaiting++
      try {
        return this.sdClient.dispatcher.dispatch(this.sdFill(options), this.sdWatch(handler))
      } catch (error) {
        this.sdStarted()
        throw error
      }
    }

    sdFill(options: Options): Options {
      if (typeof options !== 'object' || options === null) return options
      const { headersTimeout = this.sdLimits.headersTimeout, bodyTimeout = this.sdLimits.bodyTimeout } = options
      const origin = this.sdOwn ?? originOf(options.origin)
      return {
        ...options,
        headersTimeout: headersTimeout ?? null,
        bodyTimeout: bodyTimeout ?? null,
        ...(origin !== undefined && { origin: serviceOrigin(serviceAt(origin)) }),
      }
    }

    /** Records a request that ends before it reaches undici. */
    sdWatch(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
      return watchErrors(handler, () => this.sdStarted())
    }

    sdStarted(): void {
      if (this.sdWaiting > 0) this.sdWaiting--
      if (this.sdWaiting === 0) for (const tell of this.sdWhenStarted.splice(0)) tell()
    }

    // biome-ignore lint/suspicious/noExplicitAny: it has overloads
    override close(...args: any[]): any {
      return this.sdAfterStart(
        () => super.close(),
        args,
        (...all) => super.close(...(all as [])),
      )
    }

    // biome-ignore lint/suspicious/noExplicitAny: it has overloads
    override destroy(...args: any[]): any {
      return this.sdAfterStart(
        () => super.destroy(...(args.filter((one) => typeof one !== 'function') as [])),
        args,
        (...all) => super.destroy(...(all as [])),
      )
    }

    /** Waits until earlier requests have reached undici: without the client they would have done so at once. */
    sdAfterStart(end: () => Promise<void>, args: readonly unknown[], now: (...all: readonly unknown[]) => unknown): unknown {
      if (this.sdWaiting === 0) return now(...args)
      this.sdIsClosing = true
      const ended = new Promise<void>((resolve) => this.sdWhenStarted.push(resolve)).then(end)
      const callback = args.find((one) => typeof one === 'function') as ((error: Error | null, data: null) => void) | undefined
      if (!callback) return ended
      ended.then(() => callback(null, null), callback as (error: Error) => void)
      return undefined
    }
  }
  Object.defineProperty(Through, 'name', { value: base.name })
  return Through as unknown as Base
}

function watchErrors(handler: Dispatcher.DispatchHandler, onError: () => void): Dispatcher.DispatchHandler {
  return new Proxy(handler, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        if (key === 'onResponseError') onError()
        return value.apply(target, given)
      }
    },
  })
}

function originOf(given: unknown): string | undefined {
  try {
    const { protocol, host } = new URL(String((given as { origin?: string })?.origin ?? given))
    return `${protocol}//${host}`
  } catch {
    return undefined
  }
}
