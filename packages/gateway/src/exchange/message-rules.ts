/** Status of the access log for a client that left before its response. */
export const clientGone = 499

/** Informational responses that are passed on for one request: a service can't flood a client with them. */
export const mostInformation = 16

/** Whether a response to this method with this status may have a body (RFC 9110, 6.4.1). */
export function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304
}

/** The host of an authority. */
export function withoutPort(authority: string): string {
  return authority.replace(/:\d*$/, '')
}
