import { ADMIN_PORT, invalidError, type ServiceInstance } from '@sd/core'

/** Address of an admin endpoint. */
export interface ProcessAddress {
  /** Host name or IP address, without brackets. */
  readonly host: string
  readonly port: number
  readonly isSecure: boolean
}

/** An admin endpoint to ask, and the instances at which it was found. */
export interface Target extends ProcessAddress {
  /** Such as `http://10.0.0.1:9465`. */
  readonly origin: string
  /** Instances whose port `sd-admin` leads to it; empty for an address from the options. */
  readonly instances: readonly { readonly service: string; readonly instanceId: string }[]
}

/** Reads `host:port`, `http://host:port` or `https://host:port`. @throws SdError `SD_INVALID` that names the field */
export function readProcessAddress(field: string, text: unknown): ProcessAddress {
  const given = typeof text === 'string' ? text : ''
  const url = URL.parse(given.includes('://') ? given : `http://${given}`)
  const isPlain =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.pathname === '/' &&
    `${url.username}${url.password}${url.search}${url.hash}` === ''
  const port = isPlain ? readPort(url) : 0
  if (!isPlain || port === 0) throw invalidError(field, text, 'host:port, or https://host:port')
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, isSecure: url.protocol === 'https:' }
}

/** `URL` leaves out the port that is usual for the protocol. */
function readPort({ port, protocol, host }: URL): number {
  if (port !== '') return Number(port)
  return host === '' ? 0 : protocol === 'https:' ? 443 : 80
}

/** Result of {@link findTargets}. */
export interface FoundTargets {
  readonly targets: readonly Target[]
  /** Number of targets beyond the limit. */
  readonly omitted: number
}

/**
 * Finds the admin endpoints of instances and those of the options. Several instances of one process lead to one endpoint.
 *
 * @param max maximum number of targets; those of the options come first
 */
export function findTargets(
  instances: Iterable<ServiceInstance>,
  configured: readonly ProcessAddress[],
  isSecure: boolean,
  max: number,
): FoundTargets {
  const found = new Map<string, Target & { readonly instances: { service: string; instanceId: string }[] }>()
  for (const address of configured) found.set(originOf(address), { ...address, origin: originOf(address), instances: [] })
  const beyond = new Set<string>()
  for (const { service, id, address, ports } of instances) {
    const port = ports?.[ADMIN_PORT]
    if (port === undefined) continue
    const origin = originOf({ host: address, port, isSecure })
    const known = found.get(origin)
    if (known) known.instances.push({ service, instanceId: id })
    else if (found.size >= max) beyond.add(origin)
    else found.set(origin, { host: address, port, isSecure, origin, instances: [{ service, instanceId: id }] })
  }
  const targets = [...found.values()]
  return { targets: targets.slice(0, max), omitted: beyond.size + Math.max(0, targets.length - max) }
}

function originOf({ host, port, isSecure }: ProcessAddress): string {
  return `${isSecure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
