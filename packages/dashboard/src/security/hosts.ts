import type { IncomingMessage } from 'node:http'
import { checkName, invalidError } from '@sd/core'
import { Refusal } from '../http/exchange.ts'

/** Names of this machine for itself. */
const loopback: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** Checks `hosts`. @throws SdError `SD_INVALID` */
export function resolveHosts(hosts: readonly string[] | undefined): ReadonlySet<string> {
  if (hosts !== undefined && !Array.isArray(hosts)) throw invalidError('hosts', hosts, 'a list of host names')
  return new Set([...loopback, ...(hosts ?? []).map((host, index) => checkName(`hosts[${index}]`, host).toLowerCase())])
}

/**
 * Refuses requests for other hosts: a page of another site whose name was pointed at this address (DNS rebinding) has its own
 * name in `Host`.
 *
 * @throws Refusal 421
 */
export function checkHost(hosts: ReadonlySet<string>, request: IncomingMessage): void {
  const host = hostOf(request).toLowerCase()
  if (hosts.has(host) || hosts.has(hostName(host))) return
  const shown = host.slice(0, 255)
  throw new Refusal(
    421,
    `The host ${JSON.stringify(shown)} is not allowed. To allow it, add it to the option hosts: hosts: [${JSON.stringify(hostName(shown))}]`,
  )
}

/** The host that a request is for; HTTP/2 has it in `:authority`. */
export function hostOf({ headers }: IncomingMessage): string {
  return headers.host ?? String(headers[':authority'] ?? '')
}

/** Whether a Host header names this machine itself. */
export function isLoopbackHost(request: IncomingMessage): boolean {
  return loopback.includes(hostName(hostOf(request).toLowerCase()))
}

function hostName(host: string): string {
  return host.replace(/:\d{1,5}$/, '')
}
