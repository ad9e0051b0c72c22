import { SdError, type SdErrorOptions } from '@sd/core'

/** Refuses a request by a limit of its route: the gateway responds with a status, and the error code `SD_REJECTED`. */
export class RouteRefusal extends SdError {
  /** Status of the response; 0 closes the connection, or resets the stream of HTTP/2, without one. */
  readonly status: number

  /**
   * @param message for logs; the client does not get it
   * @param options with `retryAfterMs`, or the decision of a rate limiter as `cause`, the response says when to try again
   */
  constructor(status: number, message: string, options?: SdErrorOptions) {
    super('SD_REJECTED', message, { origin: 'local', ...options })
    this.status = status
  }
}

/** Whether a limit of a route refused a request. A filter may have another copy of the class. */
export function isRouteRefusal(error: SdError): error is RouteRefusal {
  return error.code === 'SD_REJECTED' && 'status' in error && Number.isInteger(error.status)
}
