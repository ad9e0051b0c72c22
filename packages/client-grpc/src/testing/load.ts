import { setTimeout as delay } from 'node:timers/promises'
import type { ServiceError } from '@grpc/grpc-js'
import { type CallSpec, call, type GrpcJs, type OrdersClient } from './orders.ts'

/** Outcomes of many calls. */
export interface Tally {
  /** Number of responses by text. */
  readonly answers: Record<string, number>
  /** Errors. */
  readonly failures: ServiceError[]
}

/** Makes calls in sequence. */
export async function callMany(grpc: GrpcJs, client: OrdersClient, count: number, spec: CallSpec = {}): Promise<Tally> {
  const tally: Tally = { answers: {}, failures: [] }
  for (let made = 0; made < count; made++) await callOnce(grpc, client, tally, spec)
  return tally
}

/** Keeps several calls in progress until it is stopped. */
export function startLoad(grpc: GrpcJs, client: OrdersClient): { readonly tally: Tally; stop(): Promise<void> } {
  const tally: Tally = { answers: {}, failures: [] }
  let running = true
  async function work(): Promise<void> {
    while (running) {
      await callOnce(grpc, client, tally)
      await delay(1)
    }
  }
  const workers = Array.from({ length: 8 }, work)
  return {
    tally,
    async stop() {
      running = false
      await Promise.all(workers)
    },
  }
}

async function callOnce(grpc: GrpcJs, client: OrdersClient, tally: Tally, spec: CallSpec = {}): Promise<void> {
  try {
    const text = await call(grpc, client, spec)
    tally.answers[text] = (tally.answers[text] ?? 0) + 1
  } catch (error) {
    tally.failures.push(error as ServiceError)
  }
}
