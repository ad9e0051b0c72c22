import { expect, test } from 'vitest'
import { inVirtualTime } from './virtual-time.ts'

test('timers fire in order of time, and clocks follow', async () => {
  const realNow = Date.now()
  const seen = await inVirtualTime(1, async (time) => {
    const seen: unknown[] = []
    const began = Date.now()
    setTimeout(() => seen.push(['late', performance.now()]), 3_600_000)
    setTimeout((text: string) => seen.push([text, performance.now()]), 5, 'soon')
    const interval = setInterval(() => seen.push(['interval', performance.now()]), 4)
    const cleared = setTimeout(() => seen.push('cleared'), 6)
    clearTimeout(cleared)
    clearTimeout(undefined)
    await time.advance(9)
    clearInterval(interval)
    expect(time.pendingTimers).toBe(1)
    await time.advance(3_600_000)
    expect(Date.now() - began).toBe(3_600_009)
    expect(time.pendingTimers).toBe(0)
    return seen
  })
  expect(seen).toEqual([
    ['interval', 4],
    ['soon', 5],
    ['interval', 8],
    ['late', 3_600_000],
  ])
  expect(Math.abs(Date.now() - realNow)).toBeLessThan(60_000)
})

test('promises settle between two timers, including chains', async () => {
  await inVirtualTime(1, async (time) => {
    const seen: string[] = []
    setTimeout(() => {
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => seen.push('promise'))
    }, 1)
    setTimeout(() => seen.push('timer'), 1)
    await time.advance(1)
    expect(seen).toEqual(['promise', 'timer'])
  })
})

test('settle waits as long as needed, up to its limit', async () => {
  await inVirtualTime(1, async (time) => {
    const later = new Promise<string>((resolve) => {
      setTimeout(() => resolve('done'), 500).unref()
    })
    expect(await time.settle(later, 1_000)).toBe('done')
    expect(time.now).toBe(500)
    await expect(time.settle(new Promise(() => {}), 1_000)).rejects.toThrow('the promise did not settle within 1000 ms')
  })
})

test('a seed gives a reproducible run', async () => {
  const draw = (seed: number): Promise<number[]> => inVirtualTime(seed, async () => [Math.random(), Math.random()])
  expect(await draw(1)).toEqual(await draw(1))
  expect(await draw(1)).not.toEqual(await draw(2))
})

test('after a standstill timers fire first, then received data is read, then setImmediate runs', async () => {
  const seen = await inVirtualTime(1, async (time) => {
    const seen: unknown[] = []
    time.schedule(10, () => seen.push(['read', time.now]))
    time.schedule(5, () => time.standStill(1_000))
    setTimeout(() => {
      seen.push(['timer', performance.now()])
      setImmediate(() => seen.push(['immediate', performance.now()]))
    }, 20)
    setTimeout(() => seen.push(['later', performance.now()]), 1_010)
    await time.advance(2_000)
    expect(time.now).toBe(2_000)
    return seen
  })
  expect(seen).toEqual([
    ['timer', 1_005],
    ['read', 1_005],
    ['immediate', 1_005],
    ['later', 1_010],
  ])
})
