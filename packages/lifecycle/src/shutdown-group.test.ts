import { constants } from 'node:os'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { joinShutdown, noteEnding, type ShutdownMember } from './shutdown-group.ts'

// The order of events, in virtual time and in one process. processes.test.ts tests it with real processes and signals.

const signal = 'SIGUSR2'
const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never)

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  // Each test cleans up what it ends.
  expect(process.listenerCount(signal)).toBe(0)
  exit.mockClear()
  vi.useRealTimers()
})

/** A member that ends when the test decides. */
function createMember(options: Partial<ShutdownMember> = {}) {
  const ended = Promise.withResolvers<boolean>()
  const close = vi.fn(() => ended.promise)
  return {
    member: { signals: [signal], exit: true, close, ...options } satisfies ShutdownMember,
    close,
    end: ended.resolve,
    fail: ended.reject,
  }
}

/** Runs pending promise callbacks. */
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

describe('a signal', () => {
  test('ends all members that list it, and the process after the last of them', async () => {
    const [one, two, other] = [createMember(), createMember(), createMember({ signals: [] })]
    for (const { member } of [one, two, other]) joinShutdown(member)
    process.emit(signal, signal)
    expect([one, two, other].map(({ close }) => close.mock.calls.length)).toEqual([1, 1, 0])
    one.end(true)
    await settle()
    expect(exit).not.toHaveBeenCalled()
    two.end(true)
    await settle()
    expect(exit.mock.calls).toEqual([[0]])
    for (const { member } of [one, two, other]) joinShutdown(member)()
  })

  test.each<[what: string, settleOne: (member: ReturnType<typeof createMember>) => void, code: number]>([
    ['went well', ({ end }) => end(true), 0],
    ['had an error', ({ end }) => end(false), 1],
    ['rejected', ({ fail }) => fail(new Error('a bug')), 1],
  ])('exits with the code of a shutdown that %s', async (_, settleOne, code) => {
    const [one, two] = [createMember(), createMember()]
    const leaves = [one, two].map(({ member }) => joinShutdown(member))
    process.emit(signal, signal)
    settleOne(one)
    two.end(true)
    await settle()
    expect(exit.mock.calls).toEqual([[code]])
    for (const leave of leaves) leave()
  })

  test('does not exit if no member wants it', async () => {
    const { member, end } = createMember({ exit: false })
    const leave = joinShutdown(member)
    process.emit(signal, signal)
    leave()
    end(true)
    await settle()
    expect(exit).not.toHaveBeenCalled()
  })

  test('waits for members that began to end before it, and for those that begin during it', async () => {
    const [before, one, concurrent] = [createMember({ exit: false }), createMember(), createMember({ signals: [] })]
    const leaves = [before, one, concurrent].map(({ member }) => joinShutdown(member))
    noteEnding(before.member, before.close())
    process.emit(signal, signal)
    noteEnding(concurrent.member, concurrent.close())
    one.end(true)
    before.end(true)
    await settle()
    expect(exit).not.toHaveBeenCalled()
    concurrent.end(false)
    await settle()
    expect(exit.mock.calls).toEqual([[1]])
    for (const leave of leaves) leave()
  })

  test('ignores a member that ended before it', async () => {
    const [before, one] = [createMember({ signals: [] }), createMember()]
    const leaves = [before, one].map(({ member }) => joinShutdown(member))
    noteEnding(before.member, Promise.resolve(false))
    await settle()
    process.emit(signal, signal)
    one.end(true)
    await settle()
    expect(exit.mock.calls).toEqual([[0]])
    for (const leave of leaves) leave()
  })
})

describe('a second signal', () => {
  async function sendTwice(afterMs: number, between: () => void = () => undefined): Promise<unknown[]> {
    const { member, end, close } = createMember()
    const leave = joinShutdown(member)
    process.emit(signal, signal)
    between()
    vi.advanceTimersByTime(afterMs)
    process.emit(signal, signal)
    const [codes] = exit.mock.calls.map(([code]) => code)
    exit.mockClear()
    expect(close).toHaveBeenCalledOnce()
    leave()
    end(true)
    await settle()
    expect(exit.mock.calls).toEqual([[0]])
    return codes === undefined ? [] : [codes]
  }

  test.each([
    [1_000, []],
    [1_001, [128 + constants.signals[signal]]],
  ])('%i ms after the first has the codes %j', async (afterMs, codes) => {
    expect(await sendTwice(afterMs)).toEqual(codes)
  })

  test('that a framework raises after it removed its listener is still the first one', async () => {
    const listener = (): void => undefined
    process.on(signal, listener)
    expect(await sendTwice(60_000, () => process.off(signal, listener))).toEqual([])
  })
})

test('a handler stays while any member lists its signal', () => {
  const [one, two] = [createMember(), createMember()]
  const leaves = [one, two].map(({ member }) => joinShutdown(member))
  expect(process.listenerCount(signal)).toBe(1)
  leaves[0]?.()
  expect(process.listenerCount(signal)).toBe(1)
  leaves[1]?.()
  expect(process.listenerCount(signal)).toBe(0)
})
