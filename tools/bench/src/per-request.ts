import type { Contender } from './paired.ts'

const requestsPerSlice = 8_000
const concurrency = 20

/** CPU of this process per request in microseconds; the server's is not in it. */
export function perRequest(name: string, send: () => Promise<string>): Contender {
  async function sendAll(count: number): Promise<void> {
    async function worker(): Promise<void> {
      for (let index = 0; index < count / concurrency; index++) {
        if (!(await send()).includes('order-1')) throw new Error(`${name} got a wrong answer: the run is refused`)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
  }
  return {
    name,
    async slice() {
      // Connections may have been closed since the last slice.
      await sendAll(10 * concurrency)
      const before = process.cpuUsage()
      await sendAll(requestsPerSlice)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / requestsPerSlice
    },
  }
}
