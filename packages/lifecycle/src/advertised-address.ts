import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { checkKnownKeys, checkObject, checkOneOf, checkText, invalidError, SdError, withTimeout } from '@sd/core'

/** Options of {@link advertisedAddress}. */
export interface AdvertisedAddressOptions {
  /** Address family. @default 'ipv4' */
  readonly family?: 'ipv4' | 'ipv6'
  /** Name of the network interface whose address is used. @default the interface of the default route */
  readonly interface?: string
  /**
   * What to do if there is no address that other hosts can reach, as on a laptop without a network: `refuse` throws;
   * `loopback` returns the loopback address and emits a process warning.
   *
   * @default 'refuse'
   */
  readonly otherwise?: 'refuse' | 'loopback'
  /** Environment variables. @default `process.env` */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/**
 * Destinations that are reached only by the default route: TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849).
 * Nothing is sent there.
 */
const destinations = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const
const loopback = { ipv4: '127.0.0.1', ipv6: '::1' } as const

/**
 * Finds the address at which other hosts reach this process: the variable `POD_IP`, which Kubernetes sets from
 * `status.podIP`; otherwise the address of the given interface; otherwise the source address of the default route. Behind
 * NAT, or with a published port, none of these is right: set `instance.address` yourself.
 *
 * @returns an IP address, never loopback unless `otherwise` allows it
 * @throws SdError `SD_INVALID` for an invalid option or `POD_IP`, `SD_NOT_FOUND` if there is no such address
 */
export async function advertisedAddress(options: AdvertisedAddressOptions = {}): Promise<string> {
  checkKnownKeys('', checkObject('options', options), ['family', 'interface', 'otherwise', 'environment'])
  const family = checkOneOf('family', options.family ?? 'ipv4', ['ipv4', 'ipv6'])
  const otherwise = checkOneOf('otherwise', options.otherwise ?? 'refuse', ['refuse', 'loopback'])
  const podIp = (options.environment ?? process.env)['POD_IP']
  if (podIp) {
    if (isIP(podIp) === 0) throw invalidError('POD_IP', podIp, 'an IP address')
    return podIp
  }
  const found =
    options.interface === undefined
      ? await addressOfDefaultRoute(family)
      : addressOfInterface(checkText('interface', options.interface, 255), family)
  if (found) return found
  const where =
    options.interface === undefined ? 'There is no default route' : `The interface ${options.interface} has no address`
  const error = new SdError(
    'SD_NOT_FOUND',
    `${where} (${family}): set instance.address to an address that other hosts reach, or set POD_IP`,
  )
  if (otherwise === 'refuse') throw error
  process.emitWarning(`${error.message}. Advertising ${loopback[family]}, which only this host can reach.`)
  return loopback[family]
}

function addressOfInterface(name: string, family: 'ipv4' | 'ipv6'): string | undefined {
  const interfaces = networkInterfaces()
  if (!interfaces[name]) throw invalidError('interface', name, `one of ${Object.keys(interfaces).join(', ')}`)
  const wanted = family === 'ipv4' ? 'IPv4' : 'IPv6'
  return interfaces[name].find((one) => one.family === wanted && !one.internal && isReachable(one.address))?.address
}

/** Connecting a UDP socket sends nothing. It makes the kernel choose a route, and with it the source address. */
async function addressOfDefaultRoute(family: 'ipv4' | 'ipv6'): Promise<string | undefined> {
  const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6')
  try {
    await withTimeout({ timeoutMs: 1_000, what: 'looking for the default route' }, () => {
      return new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.connect(53, destinations[family], resolve)
      })
    })
    const { address } = socket.address()
    return isReachable(address) ? address : undefined
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}

/** Whether other hosts can reach an address: not loopback, unspecified or link-local. */
function isReachable(address: string): boolean {
  return !/^(127\.|0\.0\.0\.0$|169\.254\.|::1?$|fe[89ab])/i.test(address)
}
