import { createServiceInstance, type InstanceSpec, publishTelemetry, SdError, type ServiceInstance, toSdError } from '@sd/core'
import { kratosEndpoints } from './foreign-ports.ts'

/** Content of an instance document. */
export interface InstanceDocument {
  readonly instance: ServiceInstance
  /** Identifies the registration that wrote it; absent in documents of other tools. */
  readonly incarnation?: string
}

/** Location of a document, which determines service and id. */
export interface InstancePlace {
  readonly service: string
  readonly id: string
}

/**
 * Encodes an instance as a JSON document, for backends that store arbitrary text. `name` and `endpoints` repeat address,
 * port and protocol for Kratos, which reads nothing else.
 */
export function encodeInstance(instance: ServiceInstance, incarnation: string): string {
  const endpoints = [...kratosEndpoints(instance).values()].map(({ url }) => url)
  return JSON.stringify({ ...instance, name: instance.service, endpoints, incarnation })
}

/** Whether a document was written by Kratos: endpoints as URLs, and no incarnation. */
export function isKratosDocument(document: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(document['endpoints']) && document['incarnation'] === undefined
}

/**
 * Decodes a document of {@link encodeInstance}. Unknown fields are ignored, so that later versions can add fields.
 *
 * @throws SdError `SD_MALFORMED` with the location and the mistake
 */
export function decodeInstance(text: string, { service, id }: InstancePlace): InstanceDocument {
  const document = parseJsonObject(text, `instance ${id} of ${service}`)
  const { address, port, protocol, version, weight, priority, tags, metadata, locality, health, ttlMs } = document
  const { ports, healthCheck, needs, createdAt, updatedAt, incarnation } = document
  const labels = { version, weight, priority, tags, metadata, locality }
  const spec = { service, id, address, port, ports, protocol, ...labels, health, healthCheck, needs, ttlMs }
  const at = { ...(isTime(createdAt) && { createdAt }), ...(isTime(updatedAt) && { updatedAt }) }
  const instance = buildForeignInstance(spec as Partial<InstanceSpec>, at)
  return { instance, ...(typeof incarnation === 'string' && { incarnation }) }
}

/**
 * Returns which registration wrote a document of {@link encodeInstance}; `undefined` for documents of other tools and
 * unreadable ones.
 */
export function readIncarnation(text: string): unknown {
  try {
    return (JSON.parse(text) as { incarnation?: unknown } | null)?.incarnation
  } catch {
    return undefined
  }
}

/** Parses text that must be a JSON object. @throws SdError `SD_MALFORMED` */
export function parseJsonObject(text: string, what: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new SdError('SD_MALFORMED', `${what} is not valid JSON`, { cause: error })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new SdError('SD_MALFORMED', `${what} is not a JSON object`)
}

/**
 * Like `createServiceInstance`, for data from other tools: errors are `SD_MALFORMED`, and `undefined` or `null` fields
 * are skipped.
 */
export function buildForeignInstance(
  spec: { readonly [K in keyof InstanceSpec]?: InstanceSpec[K] | undefined },
  at: { readonly createdAt?: number; readonly updatedAt?: number } = {},
): ServiceInstance {
  const present = Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined && value !== null))
  try {
    return createServiceInstance(present as unknown as InstanceSpec, at)
  } catch (error) {
    const { field, message } = toSdError(error, 'SD_MALFORMED', 'reading an instance')
    const place = `instance ${String(spec.id ?? '')} of ${String(spec.service ?? '')}`
    throw new SdError('SD_MALFORMED', `${place}: ${message}`, { cause: error, ...(field !== undefined && { field }) })
  }
}

/**
 * Decodes the entries of a backend. An entry that can't be decoded is skipped, so that one tool's mistake does not hide
 * other instances. It is published as a failed operation `decode`.
 *
 * @param decode decodes one entry. Throws if it is malformed; returns `undefined` if it does not describe an instance.
 */
export function decodeEntries<T>(
  registry: string,
  service: string,
  entries: Iterable<T>,
  decode: (entry: T) => ServiceInstance | undefined,
): readonly ServiceInstance[] {
  const instances: ServiceInstance[] = []
  for (const entry of entries) {
    try {
      const instance = decode(entry)
      if (instance) instances.push(instance)
    } catch (caught) {
      const error = toSdError(caught, 'SD_MALFORMED', `${registry}: an instance of ${service} can't be decoded`)
      publishTelemetry('sd:v1:backend:operation', { backend: registry, operation: 'decode', service, durationMs: 0, error })
    }
  }
  return instances
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
