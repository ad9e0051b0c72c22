import type { ServiceClient } from '@sd/client'
import type { Registry } from '@sd/core'
import { defineServiceClient, operation } from '@sd/operations'
import { createMemoryRegistry } from '@sd/registry-memory'
import { z } from 'zod'

/** The registry of the shop: of `REGISTRY`, such as `consul://127.0.0.1:8500`, or in memory, for all services in one process. */
export const registry: string | Registry = process.env['REGISTRY'] || createMemoryRegistry()

/** Options of a call. */
export interface CallOptions {
  /** When the caller's own caller stops waiting. */
  readonly deadlineAt?: number | undefined
}

/** The service `stock`: how many pieces of an item there are. */
export interface StockClient {
  /** Finds an item. */
  find(id: string, options?: CallOptions): Promise<{ readonly pieces: number }>
}

/** Makes the client of `stock`. The team of `stock` would publish this. */
export const stock: (client: ServiceClient) => StockClient = defineServiceClient('stock', {
  find: operation('GET /stock/{id}', { response: z.object({ pieces: z.number() }) }),
})

/** The service `prices`: what an item costs. It asks `stock`, because the last pieces are cheaper. */
export interface PricesClient {
  /** Finds the price of an item. */
  find(id: string, options?: CallOptions): Promise<{ readonly amount: number }>
}

/** Makes the client of `prices`. */
export const prices: (client: ServiceClient) => PricesClient = defineServiceClient('prices', {
  find: operation('GET /prices/{id}', { response: z.object({ amount: z.number() }) }),
})
