import type { Contender } from './paired.ts'

const concurrency = 20
/** Requests of a slice where nothing else is said. */
const requestsPerSlice = 8_000

/** Sends so many requests, 20 at a time. @throws if one fails or has a wrong answer: the run is refused */
export async function sendMany(name: string, send: () => Promise<string>, count: number): Promise<void> {
  async function worker(): Promise<void> {
    for (let index = 0; index < count / concurrency; index++) {
      if (!(await send()).includes('order-1')) throw new Error(`${name} got a wrong answer: the run is refused`)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

/** CPU of this process per request in microseconds; the server's is not in it. @param requests how many a slice has: slow clients need fewer */
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
