import { expect, test } from 'vitest'
import { checkRealTime, readTests } from './real-time.ts'

const check = (text: string): readonly string[] => checkRealTime(new Map([['a.test.ts', text]]))

test('tests of this repository bound no real time by less than a second', () => {
  const tests = readTests()
  expect(tests.size).toBeGreaterThan(300)
  expect(checkRealTime(tests)).toEqual([])
})

test.each<[what: string, text: string]>([
  ['a difference in place', 'expect(performance.now() - startedAt).toBeLessThan(450)'],
  ['a difference that has a name', 'const tookMs = Date.now() - before\nexpect(tookMs, "why").toBeLessThanOrEqual(999)'],
  [
    'a span between two marks',
    'const startedAt = performance.now()\nfor (const at of seen) expect(at - startedAt).toBeLessThan(300)',
  ],
  ['a property', 'const end = { tookMs: performance.now() - startedAt }\nexpect(end.tookMs).toBeLessThan(20)'],
  ['a wait', 'await eventually(() => expect(a).toBe(1), 500)'],
  ['a wait with options', 'await vi.waitFor(() => expect(a).toBe(1), { timeout: 200, interval: 10 })'],
])('%s is reported', (_, text) => {
  expect(check(text)).toEqual([expect.stringMatching(/^a\.test\.ts:[12]: \d+ ms of real time/)])
})

test.each<[what: string, text: string]>([
  ['bounds of seconds', 'expect(performance.now() - startedAt).toBeLessThan(1_000)\nawait eventually(check, 5_000)'],
  ['lower bounds', 'expect(performance.now() - startedAt).toBeGreaterThan(100)'],
  ['numbers that are not a time', 'expect(sockets.size).toBeLessThan(5)'],
  ['virtual time', 'vi.useFakeTimers()\nexpect(performance.now() - startedAt).toBeLessThan(100)'],
])('%s are not reported', (_, text) => {
  expect(check(text)).toEqual([])
})
