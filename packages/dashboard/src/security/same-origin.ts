import type { IncomingMessage } from 'node:http'
import { Refusal } from '../http/exchange.ts'
import { hostOf } from './hosts.ts'

/**
 * Refuses requests that a page of another origin made. Cookies with SameSite=Strict are not enough: pages on other ports of a
 * host are of the same site.
 *
 * @throws Refusal 403
 */
export function checkOrigin(request: IncomingMessage): void {
  const { headers } = request
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw foreign()
  if (headers.origin !== undefined && !isOwnOrigin(headers.origin, hostOf(request))) throw foreign()
}

/**
 * Refuses changes that the page of the dashboard did not send: they need a content type and a header field that forms can't
 * have, and the browser's word that the page is of this origin.
 *
 * @throws Refusal 403 or 415
 */
export function checkChange(request: IncomingMessage): void {
  checkOrigin(request)
  const { headers } = request
  if (!/^application\/json\s*(?:;|$)/i.test(headers['content-type'] ?? ''))
    throw new Refusal(415, 'Want the content type application/json')
  if (headers['x-sd-console'] !== '1') throw new Refusal(403, 'Want the header field x-sd-console: 1')
  if (headers['sec-fetch-site'] !== 'same-origin' && headers.origin === undefined)
    throw new Refusal(403, 'Want the header field sec-fetch-site or origin, as browsers send it')
}

function isOwnOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

function foreign(): Refusal {
  return new Refusal(403, 'The request comes from a page of another origin')
}
