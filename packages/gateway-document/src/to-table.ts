import type { GatewayTable, ListenerCertificate, ListenerSpec } from '@sd/gateway'

/** The table of a document: `file:` references become sources that are read again. */
export function toTable({ listeners, routes }: GatewayTable): GatewayTable {
  return { listeners: listeners.map(toListener), routes }
}

function toListener(listener: ListenerSpec): ListenerSpec {
  const { tls } = listener
  if (!tls) return listener
  const { clientCa, certificates } = tls
  return {
    ...listener,
    tls: {
      ...tls,
      certificates: certificates.map(
        (certificate): ListenerCertificate => ({
          ...certificate,
          cert: toPemSource(certificate.cert),
          key: toPemSource(certificate.key),
        }),
      ),
      ...(clientCa !== undefined && { clientCa: toPemSource(clientCa) }),
    },
  }
}

function toPemSource(given: ListenerCertificate['cert']): ListenerCertificate['cert'] {
  return typeof given === 'string' && given.startsWith('file:') ? { file: given.slice('file:'.length) } : given
}
