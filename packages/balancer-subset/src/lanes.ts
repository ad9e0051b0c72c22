import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import {
  type CallPickRequest,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  type Interceptor,
  invalidError,
} from '@sd/core'
import { isLaneName, laneNameWanted } from './lane-name.ts'

/** Options of {@link createLanes}. */
export interface LaneOptions {
  /** Header that carries the lane from hop to hop. @default 'x-lane' */
  readonly header?: string
  /**
   * Decides the lane of a request that comes in, instead of its header: for the edge, whose callers must not choose their lane
   * themselves. `undefined` is for the base. Quick and synchronous; a request for which it throws goes to the base.
   *
   * @default the request's header
   */
  readonly assign?: (request: IncomingMessage) => string | undefined
}

/** Carries the lane of a request from what came in to the calls that are made for it. */
export interface Lanes {
  /** The lane of the request that is being handled; `undefined` for the base, and outside of any. */
  current(): string | undefined
  /** Runs something in a lane, such as the handling of a message. @throws SdError `SD_INVALID` if it is not the name of a lane */
  run<T>(lane: string | undefined, operation: () => T): T
  /** Wraps a handler of `node:http`: what it does is done in the request's lane. */
  handler(listener: RequestListener): RequestListener
  /** The same for frameworks: Express, or a hook of Fastify with its raw request and response. */
  readonly middleware: (request: IncomingMessage, response: ServerResponse, next: () => void) => void
  /** For `interceptors.call` of a client: sends the lane along, unless the call has its own. */
  readonly interceptor: Interceptor
  /** For `label` of `createSubsetBalancer`: the lane that a call carries. */
  readonly label: (request: CallPickRequest) => string | undefined
}

/**
 * Builds what carries lanes through a service.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLanes(options: LaneOptions = {}): Lanes {
  checkKnownKeys('', checkObject('options', options), ['header', 'assign'])
  const header = checkName('header', options.header ?? 'x-lane').toLowerCase()
  const { assign } = options
  if (assign !== undefined) checkFunction('assign', assign)
  const storage = new AsyncLocalStorage<string | undefined>()

  function laneOf(request: IncomingMessage): string | undefined {
    try {
      const lane = assign ? assign(request) : request.headers[header]
      return isLaneName(lane) ? lane : undefined
    } catch {
      return undefined
    }
  }

  return {
    current: () => storage.getStore(),
    run(lane, operation) {
      if (lane !== undefined && !isLaneName(lane)) throw invalidError('lane', lane, laneNameWanted)
      return storage.run(lane, operation)
    },
    handler(listener) {
      checkFunction('listener', listener)
      return (request, response) => storage.run(laneOf(request), listener, request, response)
    },
    middleware: (request, _response, next) => storage.run(laneOf(request), next),
    interceptor({ headers }, next) {
      const lane = storage.getStore()
      // An empty field is not a lane of the call's own.
      if (lane !== undefined && !headers[header]?.trim()) headers[header] = lane
      return next()
    },
    label({ headers }) {
      const lane = headers?.[header]
      return isLaneName(lane) ? lane : undefined
    },
  }
}
