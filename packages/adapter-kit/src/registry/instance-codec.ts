import { createServiceInstance, type InstanceSpec, publishTelemetry, SdError, type ServiceInstance, toSdError } from '@sd/core'
import { kratosEndpoints } from './foreign-ports.ts'

/** What an instance document says. */
export interface InstanceDocument {
  /** The instance. */
  readonly instance: ServiceInstance
  /** Which registration put it there; absent in documents of other tools. */
  readonly incarnation?: string
}

/** Where a document was found, which says what it belongs to. */
export interface InstancePlace {
  /** Name of the service. */
  readonly service: string
  /** Id of the instance. */
  readonly id: string
}

/**
 * The JSON document of an instance, for backends that hold any text. `name` and `endpoints` say the same once more for Kratos, which
 * reads nothing else of address, port and protocol.
 */
export function encodeInstance(instance: ServiceInstance, incarnation: string): string {
  const endpoints = [...kratosEndpoints(instance).values()].map(({ url }) => url)
  return JSON.stringify({ ...instance, name: instance.service, endpoints, incarnation })
}

/** Whether a document is one of Kratos: endpoints as URLs, and no mark of a registration of ours. */
export function isKratosDocument(document: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(document['endpoints']) && document['incarnation'] === undefined
}

/**
 * Reads a document of {@link encodeInstance}. Unknown fields are left out, so that later versions may add some.
 *
 * @throws SdError `SD_MALFORMED` that says where and what is wrong
 */
export function decodeInstance(text: string, { service, id }: InstancePlace): InstanceDocument {
  const document = parseJsonObject(text, `instance ${id} of ${service}`)
  const { address, port, protocol, version, weight, priority, tags, metadata, locality, health, ttlMs } = document
  const { ports, healthCheck, createdAt, updatedAt, incarnation } = document
  const labels = { version, weight, priority, tags, metadata, locality }
  const spec = { service, id, address, port, ports, protocol, ...labels, health, healthCheck, ttlMs }
  const at = { ...(isTime(createdAt) && { createdAt }), ...(isTime(updatedAt) && { updatedAt }) }
  const instance = buildForeignInstance(spec as Partial<InstanceSpec>, at)
  return { instance, ...(typeof incarnation === 'string' && { incarnation }) }
}

/** Which registration a document of {@link encodeInstance} is of; `undefined` in those of other tools, whatever they are. */
export function readIncarnation(text: string): unknown {
  try {
    return (JSON.parse(text) as { incarnation?: unknown } | null)?.incarnation
  } catch {
    return undefined
  }
}

/** Parses JSON that must be an object. @throws SdError `SD_MALFORMED` */
export function parseJsonObject(text: string, what: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new SdError('SD_MALFORMED', `${what} is no JSON`, { cause: error })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new SdError('SD_MALFORMED', `${what} is no JSON object`)
}

/** {@link createServiceInstance} for data that came from outside: what is wrong is `SD_MALFORMED`, and undefined fields are absent. */
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
 * Decodes what a backend lists. An entry that can't be read is left out, so that one tool's mistake does not hide the instances of others;
 * it is published as a failed operation `decode`.
 *
 * @param decode throws for what can't be read, and gives `undefined` for what is no instance
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
      const error = toSdError(caught, 'SD_MALFORMED', `${registry} has an unreadable instance of ${service}`)
      publishTelemetry('sd:v1:backend:operation', { backend: registry, operation: 'decode', service, durationMs: 0, error })
    }
  }
  return instances
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
