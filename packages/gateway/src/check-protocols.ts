import { checkFunction, checkName, checkOneOf, invalidError } from '@sd/core'
import type { GatewayProtocol } from './protocol.ts'

/** Names that mean something without a protocol. */
const reserved: ReadonlySet<string> = new Set(['http', 'http/1.1', 'h2'])

/** Checks the protocols of a gateway. @throws SdError `SD_INVALID` that names the field */
export function checkProtocols(path: string, protocols: readonly GatewayProtocol[]): readonly GatewayProtocol[] {
  const names = new Set<string>()
  for (const [index, protocol] of protocols.entries()) {
    const at = `${path}[${index}]`
    checkOneOf(`${at}.kind`, protocol.kind, ['call', 'upgrade', 'connection', 'datagram'])
    const name = checkName(`${at}.name`, protocol.name)
    if (reserved.has(name) || names.has(name)) throw invalidError(`${at}.name`, name, 'a name that nothing else has')
    names.add(name)
    if (protocol.checkOptions !== undefined) checkFunction(`${at}.checkOptions`, protocol.checkOptions)
    checkKind(at, protocol)
  }
  return protocols
}

function checkKind(at: string, protocol: GatewayProtocol): void {
  switch (protocol.kind) {
    case 'call':
      checkFunction(`${at}.recognises`, protocol.recognises)
      checkFunction(`${at}.begin`, protocol.begin)
      break
    case 'upgrade':
      checkFunction(`${at}.connect`, protocol.connect)
      if (protocol.admit !== undefined) checkFunction(`${at}.admit`, protocol.admit)
      if (protocol.onEnd !== undefined) checkFunction(`${at}.onEnd`, protocol.onEnd)
      break
    case 'connection':
      if (protocol.recognise !== undefined) checkFunction(`${at}.recognise`, protocol.recognise)
      checkFunction(`${at}.createFront`, protocol.createFront)
      break
    case 'datagram':
      checkFunction(`${at}.createFront`, protocol.createFront)
  }
}
