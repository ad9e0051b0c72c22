import { setTimeout as delay } from 'node:timers/promises'
import { SdError } from '@sd/core'

/** Makes 400 calls in ten workers, with a pause of at most 3 ms after each, and counts responses and failures.
 * @throws the error of a call, if it is not an `SdError`
 */
export async function makeManyCalls(
  call: () => Promise<void>,
  random: () => number,
): Promise<{ readonly responded: number; readonly failed: number }> {
  const outcomes = { responded: 0, failed: 0 }
  async function worker(): Promise<void> {
    for (let index = 0; index < 40; index++) {
      try {
        await call()
        outcomes.responded++
      } catch (error) {
        if (!(error instanceof SdError)) throw error
        outcomes.failed++
      }
      await delay(random() * 3)
    }
  }
  await Promise.all(Array.from({ length: 10 }, worker))
  return outcomes
}
