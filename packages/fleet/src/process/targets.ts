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

const addressPattern = /^(?:(https?):\/\/)?(?:\[([\da-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i

/** Reads `host:port`, `http://host:port` or `https://host:port`. @throws SdError `SD_INVALID` that names the field */
export function readProcessAddress(field: string, text: unknown): ProcessAddress {
  const [, protocol = 'http', ipv6, name, digits] = addressPattern.exec(typeof text === 'string' ? text : '') ?? []
  const host = ipv6 ?? name
  const port = Number(digits)
  if (host === undefined || port < 1 || port > 65_535) throw invalidError(field, text, 'host:port, or https://host:port')
  return { host, port, isSecure: protocol.toLowerCase() === 'https' }
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
