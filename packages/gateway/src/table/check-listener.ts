import { isIP } from 'node:net'
import { checkBoolean, checkDuration, checkInteger, checkName, checkText, invalidError } from '@sd/core'
import { checkPemSource } from '@sd/tls'
import { checkHost } from './check-match.ts'
import { by, type Check, listOf, minBodyRate, object, oneOf } from './checks.ts'
import type { ListenerCertificate, ListenerLimits, ListenerSpec, ListenerTimeouts, ListenerTls } from './table.ts'

const pem = by(checkPemSource)

function integer(min: number, max: number): Check {
  return by((path, value) => checkInteger(path, value, { min, max }))
}

function duration(min: number): Check {
  return by((path, value) => checkDuration(path, value, min))
}

/** Host and port of an address. @throws SdError `SD_INVALID` */
export function readAddress(path: string, value: unknown): { host: string; port: number } {
  const [, host, port] = /^(\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(checkText(path, value, 300)) ?? []
  if (host === undefined || Number(port) > 65_535) {
    throw invalidError(path, value, 'a host and a port, such as 0.0.0.0:8443 or [::1]:8080')
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

const network = by((path, value) => {
  const [, address, bits] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(checkText(path, value, 50)) ?? []
  const family = address === undefined ? 0 : isIP(address)
  if (family === 0 || Number(bits ?? 0) > (family === 4 ? 32 : 128)) {
    throw invalidError(path, value, 'an address or a network, such as 10.0.0.0/8 or 2001:db8::/32')
  }
})

const tls = object<ListenerTls>(
  {
    certificates: listOf(
      object<ListenerCertificate>({ cert: pem, key: pem, serverNames: listOf(by(checkHost), { min: 1, max: 100 }) }, [
        'cert',
        'key',
      ]),
      { min: 1, max: 1_000 },
    ),
    clientCa: pem,
    clientCertificateRequired: by(checkBoolean),
    minVersion: oneOf('TLSv1.2', 'TLSv1.3'),
    clearText: by(checkBoolean),
  },
  ['certificates'],
)

const limits = object<ListenerLimits>({
  headerBytes: integer(1_024, 1_048_576),
  headers: integer(1, 2_000),
  pathLength: integer(16, 1_048_576),
  connections: integer(1, Number.MAX_SAFE_INTEGER),
  connectionsPerAddress: integer(1, Number.MAX_SAFE_INTEGER),
  requestsPerConnection: integer(1, Number.MAX_SAFE_INTEGER),
  streamsPerConnection: integer(1, 2 ** 31 - 1),
  cancelledStreams: integer(1, Number.MAX_SAFE_INTEGER),
  minBodyRate,
})

const timeouts = object<ListenerTimeouts>({
  headersMs: duration(1),
  idleConnectionMs: duration(1),
  handshakeMs: duration(1),
  idleBodyMs: duration(1),
})

/** A listener. */
export const checkListener: Check = object<ListenerSpec>(
  {
    name: by(checkName),
    address: by(readAddress),
    protocols: listOf(by(checkName), { min: 1, max: 20 }),
    tls,
    trustedProxies: listOf(network, { max: 1_000 }),
    forwardingFields: oneOf('x-forwarded', 'forwarded'),
    proxyProtocol: oneOf('off', 'required'),
    limits,
    timeouts,
  },
  ['name', 'address'],
)
