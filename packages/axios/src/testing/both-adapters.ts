import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient, type ServiceClientOptions } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import axios, { type AxiosInstance, type CreateAxiosDefaults } from 'axios'
import { createAxiosAdapter } from '../index.ts'

/** A client of services on this machine. */
export interface LocalClient {
  readonly client: ServiceClient
  close(): Promise<void>
}

/** @param ports of one instance of each service, or of several */
export async function createLocalClient(
  ports: Readonly<Record<string, number | readonly number[]>>,
  options: Partial<ServiceClientOptions> = {},
): Promise<LocalClient> {
  const registry = createMemoryRegistry()
  for (const [service, given] of Object.entries(ports)) {
    for (const port of [given].flat()) await registry.register({ service, address: '127.0.0.1', port })
  }
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), ...options })
  return {
    client,
    async close() {
      await client.close()
      await discovery.close()
      await registry.close()
    },
  }
}

/** axios over a client. */
export function createServiceAxios(client: ServiceClient, defaults: CreateAxiosDefaults = {}): AxiosInstance {
  return axios.create({ adapter: createAxiosAdapter({ client }), baseURL: 'http://stock/', ...defaults })
}
