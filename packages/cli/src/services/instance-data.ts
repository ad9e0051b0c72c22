import { masking, type ServiceInstance } from '@sd/core'

/** An instance as `--json` prints it: its own fields, with secrets masked. */
export type InstanceData = Omit<ServiceInstance, 'ports' | 'metadata'> & {
  readonly ports?: Readonly<Record<string, number>>
  readonly metadata: Readonly<Record<string, string>>
}

/** Picks the fields of an instance. Values whose name is that of a secret are masked, and secrets within texts. */
export function toInstanceData(instance: ServiceInstance): InstanceData {
  const { id, service, address, port, ports, protocol, version, weight, priority, tags, metadata, locality } = instance
  const { health, healthCheck, createdAt, updatedAt, ttlMs } = instance
  return {
    id,
    service,
    address,
    port,
    ...(ports && { ports: { ...ports } }),
    protocol,
    ...(version !== undefined && { version }),
    weight,
    priority,
    tags: tags.map((tag) => masking.text(tag)),
    metadata: masking.value({ ...metadata }) as Record<string, string>,
    ...(locality && { locality }),
    health: masking.value(health) as ServiceInstance['health'],
    ...(healthCheck && { healthCheck: masking.value(healthCheck) as NonNullable<ServiceInstance['healthCheck']> }),
    createdAt,
    updatedAt,
    ...(ttlMs !== undefined && { ttlMs }),
  }
}

/** Where an instance is, from large to small: `eu-west-1/eu-west-1a`. */
export function describeLocality({ locality = {} }: Pick<ServiceInstance, 'locality'>): string {
  return [locality.region, locality.zone, locality.subZone].filter(Boolean).join('/')
}

/** Address and port; an IPv6 address is in brackets. */
export function describeAddress({ address, port }: Pick<ServiceInstance, 'address' | 'port'>): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}
