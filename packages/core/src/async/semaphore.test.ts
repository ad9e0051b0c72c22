import { describe, expect, test } from 'vitest'
import { createSemaphore } from './semaphore.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('semaphore', () => {
  test('limits concurrency, serves waiting calls in order, and skips aborted ones', async () => {
    const semaphore = createSemaphore(2)
    const { signal } = new AbortController()
    const impatient = new AbortController()
    const leave: (() => void)[] = []
    const entered: number[] = []
    const pass = (number: number, until: AbortSignal = signal): Promise<void> =>
      semaphore.run(until, () => {
        entered.push(number)
        return new Promise((resolve) => leave.push(resolve))
      })
    const settled = [pass(1), pass(2), pass(3, impatient.signal), pass(4), pass(5)]
    settled[2]?.catch(() => undefined)
    await turn()
    expect(entered).toEqual([1, 2])
    impatient.abort()
    await expect(settled[2]).rejects.toMatchObject({ code: 'SD_ABORTED' })
    leave[0]?.()
    await turn()
    expect(entered).toEqual([1, 2, 4])
    leave[1]?.()
    leave[2]?.()
    await turn()
    leave[3]?.()
    await Promise.all([settled[0], settled[1], settled[3], settled[4]])
    expect(entered).toEqual([1, 2, 4, 5])
    await expect(semaphore.run(AbortSignal.abort(), async () => 1)).rejects.toMatchObject({ code: 'SD_ABORTED' })
    await expect(semaphore.run(signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await semaphore.run(signal, async () => 7)).toBe(7)
  })

  test('many calls take turns, and the reason of an abort is kept', async () => {
    const semaphore = createSemaphore(2)
    const never = new AbortController().signal
    let running = 0
    let most = 0
    const run = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await turn()
      running--
    }
    await Promise.all(Array.from({ length: 20 }, () => semaphore.run(never, run)))
    expect([most, running]).toEqual([2, 0])
    const controller = new AbortController()
    const blocked = Promise.withResolvers<void>()
    const first = [semaphore.run(never, () => blocked.promise), semaphore.run(never, () => blocked.promise)]
    const given = semaphore.run(controller.signal, run)
    const patient = semaphore.run(never, async () => 'done')
    const reason = new Error('given up')
    controller.abort(reason)
    await expect(given).rejects.toMatchObject({ code: 'SD_ABORTED', cause: reason })
    await expect(semaphore.run(controller.signal, run)).rejects.toMatchObject({ code: 'SD_ABORTED', cause: reason })
    blocked.resolve()
    await Promise.all(first)
    expect(await patient).toBe('done')
  })
})
