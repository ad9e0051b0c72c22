import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** Both ends of a client's connection. */
export interface ProxiedConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Writes a PROXY header, by the specification of HAProxy. */
export function writeProxyHeader(version: 'v1' | 'v2', connection: ProxiedConnection): Buffer {
  const { remotePort, localPort } = connection
  const both = [connection.remoteAddress, connection.localAddress] as const
  const isVersion4 = both.every((address) => isIPv4(address))
  const [from, to] = isVersion4 ? both : (both.map(toVersion6) as [string, string])
  const isKnown = isVersion4 || (isIPv6(from) && isIPv6(to))
  if (version === 'v1') {
    const line = isKnown ? `PROXY ${isVersion4 ? 'TCP4' : 'TCP6'} ${from} ${to} ${remotePort} ${localPort}` : 'PROXY UNKNOWN'
    return Buffer.from(`${line}\r\n`, 'latin1')
  }
  if (!isKnown) return Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])])
  const addresses = [from, to].map(isVersion4 ? bytesOfVersion4 : bytesOfVersion6)
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(remotePort, 0)
  ports.writeUInt16BE(localPort, 2)
  const body = Buffer.concat([...addresses, ports])
  return Buffer.concat([signature, Buffer.from([0x21, isVersion4 ? 0x11 : 0x21, 0, body.length]), body])
}

function toVersion6(address: string): string {
  return isIPv4(address) ? `::ffff:${address}` : (address.split('%', 1)[0] as string)
}

function bytesOfVersion4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

function bytesOfVersion6(text: string): Buffer {
  const mapped = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(new SocketAddress({ address: text, family: 'ipv6' }).address)
  const full = mapped
    ? `${mapped[1]}${((Number(mapped[2]) << 8) | Number(mapped[3])).toString(16)}:${((Number(mapped[4]) << 8) | Number(mapped[5])).toString(16)}`
    : text
  const [head = '', tail] = full.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...new Array<string>(8 - left.length - right.length).fill('0'), ...right]
  const bytes = Buffer.alloc(16)
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * index)
  return bytes
}
