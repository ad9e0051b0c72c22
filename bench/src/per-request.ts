import type { Contender } from './paired.ts'

const concurrency = 20
/** Default number of requests per slice. */
const requestsPerSlice = 8_000

/** Sends this number of requests, 20 at a time. @throws if one fails or has a wrong response, which invalidates the run */
export async function sendMany(name: string, send: () => Promise<string>, count: number): Promise<void> {
  async function worker(): Promise<void> {
    for (let index = 0; index < count / concurrency; index++) {
      if (!(await send()).includes('order-1')) throw new Error(`${name} got a wrong response: the run is invalid`)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

/** CPU time of this process per request, in microseconds, without that of the server. @param requests number per slice: fewer for slow clients */
export function perRequest(name: string, send: () => Promise<string>, requests: number = requestsPerSlice): Contender {
  return {
    name,
    async slice() {
      // Connections may have been closed since the last slice.
      await sendMany(name, send, 10 * concurrency)
      const before = process.cpuUsage()
      await sendMany(name, send, requests)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / requests
    },
  }
}
