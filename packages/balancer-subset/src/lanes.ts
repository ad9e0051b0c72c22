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
  /** Header field that carries the lane from hop to hop. @default 'x-lane' */
  readonly header?: string
  /**
   * Decides the lane of an incoming request instead of its header field: for an edge, whose callers must not choose their lane.
   * `undefined` means the base. It must be fast and synchronous. If it throws, the request goes to the base.
   *
   * @default the request's header field
   */
  readonly assign?: (request: IncomingMessage) => string | undefined
}

/** Carries the lane of an incoming request to the calls made for it. */
export interface Lanes {
  /** The lane of the current request; `undefined` for the base, and outside of any request. */
  current(): string | undefined
  /** Runs a function in a lane, for example the handling of a message. @throws SdError `SD_INVALID` for an invalid lane name */
  run<T>(lane: string | undefined, operation: () => T): T
  /** Wraps a handler of `node:http`, which then runs in the request's lane. */
  handler(listener: RequestListener): RequestListener
  /** The same for frameworks: Express, or a hook of Fastify with its raw request and response. */
  readonly middleware: (request: IncomingMessage, response: ServerResponse, next: () => void) => void
  /** For `interceptors.call` of a client: sends the lane, unless the call has its own. */
  readonly interceptor: Interceptor
  /** For `label` of `createSubsetBalancer`: returns the lane of a call. */
  readonly label: (request: CallPickRequest) => string | undefined
}

/**
 * Creates lanes for a service.
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
      // An empty field does not give the call a lane of its own.
      if (lane !== undefined && !headers[header]?.trim()) headers[header] = lane
      return next()
    },
    label({ headers }) {
      const lane = headers?.[header]
      return isLaneName(lane) ? lane : undefined
    },
  }
}
