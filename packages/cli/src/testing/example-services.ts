import type { InstanceSpec, Registry } from '@sd/core'

/** Services as in the guide: an unhealthy instance, wide characters, and texts that try to control the terminal. */
export const exampleSpecs: readonly InstanceSpec[] = [
  ...[0, 1, 2].map((index) => ({
    service: 'orders',
    id: `orders-${index}`,
    address: `10.0.0.${index + 1}`,
    port: 8080,
    version: index === 2 ? '1.1.0' : '1.0.0',
    locality: { region: 'eu-west-1', zone: `eu-west-1${'abc'[index]}` },
    tags: ['blue', '北京'],
    metadata: { team: 'orders', apiToken: 'hidden-canary', owner: 'ops\u001b]0;title\u0007\u202egnp' },
  })),
  { service: 'stock', id: 'stock-0', address: '10.0.1.1', port: 9000, protocol: 'grpc', weight: 2 },
  {
    service: 'stock',
    id: 'stock-1',
    address: '10.0.1.2',
    port: 9000,
    protocol: 'grpc',
    health: {
      status: 'unhealthy',
      message: 'no \u001b[31mdisk\u001b[0m left on /var/lib/stock\u202e, since the last backup was never removed from it',
      details: { disk: 'full', database: 'ok' },
    },
  },
]

/** Registers them. @returns a clock 12 minutes later */
export async function registerExamples(registry: Registry): Promise<() => number> {
  const registrations = await Promise.all(exampleSpecs.map((spec) => registry.register(spec)))
  const now = Math.max(...registrations.map(({ instance }) => instance.createdAt)) + 12.5 * 60_000
  return () => now
}
