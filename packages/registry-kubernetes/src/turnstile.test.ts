import { expect, test } from 'vitest'
import { createTurnstile } from './turnstile.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('so many at once, the others in their order, and who gives up gives way', async () => {
  const turnstile = createTurnstile(2)
  const { signal } = new AbortController()
  const impatient = new AbortController()
  const leave: (() => void)[] = []
  const entered: number[] = []
  const pass = (number: number, until: AbortSignal = signal): Promise<void> =>
    turnstile.pass(until, () => {
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
  await expect(turnstile.pass(AbortSignal.abort(), async () => 1)).rejects.toMatchObject({ code: 'SD_ABORTED' })
  await expect(turnstile.pass(signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await turnstile.pass(signal, async () => 7)).toBe(7)
})
