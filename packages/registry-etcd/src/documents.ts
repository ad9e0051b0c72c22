import {
  buildForeignInstance,
  decodeInstance,
  type InstanceDocument,
  type InstancePlace,
  isKratosDocument,
  kratosPorts,
  kratosProtocol,
  parseJsonObject,
} from '@sd/adapter-kit'

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/**
 * Reads the document of a key: one of ours, or of Kratos' etcd registry (`{ id, name, version, metadata, endpoints:
 * ['http://host:port'] }`), of which the first endpoint is used.
 *
 * @throws SdError `SD_MALFORMED`
 */
export function readDocument(text: string, place: InstancePlace): InstanceDocument {
  const document = parseJsonObject(text, `instance ${place.id} of ${place.service}`)
  const { endpoints, version, metadata } = document
  if (!isKratosDocument(document)) return decodeInstance(text, place)
  const url = new URL(String((endpoints as readonly unknown[])[0]))
  const instance = buildForeignInstance({
    ...place,
    address: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || defaultPorts[url.protocol],
    ports: kratosPorts(endpoints as readonly unknown[]),
    protocol: kratosProtocol(url),
    ...(typeof version === 'string' && version !== '' && { version }),
    ...(typeof metadata === 'object' && metadata !== null && { metadata: metadata as Record<string, string> }),
  })
  return { instance }
}
