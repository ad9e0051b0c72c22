import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { onTestFinished } from 'vitest'
import type { HealthTarget } from '../health-check.ts'

/** A target on loopback. */
export function localTarget(port: number, protocol: string = 'http'): HealthTarget {
  return { id: 'orders-1', service: 'orders', address: '127.0.0.1', port, protocol }
}

/** Starts a server on loopback until the test ends. */
export async function listen(server: Server, protocol?: string): Promise<HealthTarget> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return localTarget((server.address() as AddressInfo).port, protocol)
}

/** A signal that never aborts. */
export const neverAborted: AbortSignal = new AbortController().signal
