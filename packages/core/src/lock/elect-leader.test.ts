import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sleep, untilAborted } from '../async/timers.ts'
import { SdError } from '../errors.ts'
import { electLeader } from './elect-leader.ts'
import type { Lock, LockHandle } from './lock.ts'

interface Term extends LockHandle {
  readonly release: ReturnType<typeof vi.fn<() => Promise<void>>>
  /** Ends the leadership as a lost session does. */
  lose(): void
}

function createTerm(token: bigint): Term {
  const over = new AbortController()
  const release = vi.fn(async () => over.abort())
  return {
    key: 'leader',
    value: '',
    token,
    signal: over.signal,
    release,
    lose: () => over.abort(),
    [Symbol.asyncDispose]: release,
  }
}

/** A lock that gives one term after the other. */
function createElection(): {
  readonly lock: Lock
  readonly terms: Term[]
  readonly acquire: ReturnType<typeof vi.fn<Lock['acquire']>>
} {
  const terms: Term[] = []
  const acquire = vi.fn<Lock['acquire']>(async () => {
    const term = createTerm(BigInt(terms.length))
    terms.push(term)
    return term
  })
  return { lock: { acquire } as unknown as Lock, terms, acquire }
}

describe('lead', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('a round takes a second at least, though the work returns at once', async () => {
    const { lock, terms } = createElection()
    const controller = new AbortController()
    const leading = electLeader(lock, 'leader', { signal: controller.signal }, async () => undefined)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(terms.length).toBeGreaterThanOrEqual(9)
    expect(terms.length).toBeLessThanOrEqual(13)
    controller.abort()
    await leading
  })

  test('works while it leads, stands again after a loss, and ends with its signal', async () => {
    const { lock, terms, acquire } = createElection()
    const controller = new AbortController()
    const work = vi.fn(async ({ signal }: LockHandle) => untilAborted(signal))
    const leading = electLeader(lock, 'leader', { signal: controller.signal, candidate: 'me' }, work)
    await vi.waitFor(() => expect(work).toHaveBeenCalledTimes(1))
    expect(acquire).toHaveBeenCalledWith('leader', { signal: controller.signal, value: 'me' })
    terms[0]?.lose()
    await vi.waitFor(() => expect(work).toHaveBeenCalledTimes(2), { timeout: 3_000 })
    expect(terms[0]?.release).toHaveBeenCalled()
    controller.abort()
    await leading
    expect([terms.length, terms[1]?.signal.aborted]).toEqual([2, true])
    await electLeader(lock, 'leader', { signal: controller.signal }, work)
    expect(acquire).toHaveBeenCalledTimes(2)
  })

  test('stands again when the work was a wait that the loss ended', async () => {
    const { lock, terms } = createElection()
    const controller = new AbortController()
    const leading = electLeader(lock, 'leader', { signal: controller.signal }, ({ signal }) => sleep(60_000, signal))
    await vi.waitFor(() => expect(terms).toHaveLength(1))
    terms[0]?.lose()
    await vi.waitFor(() => expect(terms).toHaveLength(2), { timeout: 3_000 })
    controller.abort()
    await leading
  })

  test('gives the lock back when the work returns or throws, and passes on what it throws', async () => {
    const { lock, terms } = createElection()
    let rounds = 0
    const leading = electLeader(lock, 'leader', { signal: new AbortController().signal }, async () => {
      if (++rounds === 3) throw new Error('boom')
    })
    const failed = expect(leading).rejects.toThrow('boom')
    await vi.advanceTimersByTimeAsync(3_000)
    await failed
    expect(terms.map(({ release }) => release.mock.calls.length)).toEqual([1, 1, 1])
  })

  test('passes on what waiting for the lock can not heal, and nothing once its signal has fired', async () => {
    const { lock, acquire } = createElection()
    const work = vi.fn(async () => undefined)
    acquire.mockRejectedValueOnce(new SdError('SD_DENIED', 'no'))
    await expect(electLeader(lock, 'leader', { signal: new AbortController().signal }, work)).rejects.toMatchObject({
      code: 'SD_DENIED',
    })
    const controller = new AbortController()
    acquire.mockImplementationOnce(async () => {
      controller.abort()
      throw new SdError('SD_ABORTED', 'aborted')
    })
    await electLeader(lock, 'leader', { signal: controller.signal }, work)
    expect(work).not.toHaveBeenCalled()
  })

  test('does not work if its signal fires as the lock arrives', async () => {
    const { lock, acquire } = createElection()
    const controller = new AbortController()
    const term = createTerm(1n)
    acquire.mockImplementationOnce(async () => {
      controller.abort()
      return term
    })
    const work = vi.fn(async ({ signal }: LockHandle) => untilAborted(signal))
    await electLeader(lock, 'leader', { signal: controller.signal }, work)
    expect([work.mock.calls.length, term.release.mock.calls.length]).toEqual([0, 1])
  })

  test('survives a release that fails', async () => {
    const { lock, acquire } = createElection()
    const controller = new AbortController()
    const term = createTerm(1n)
    term.release.mockImplementation(async () => {
      term.lose()
      throw new Error('away')
    })
    acquire.mockResolvedValueOnce(term)
    await electLeader(lock, 'leader', { signal: controller.signal }, async ({ signal }) => {
      controller.abort()
      await untilAborted(signal)
    })
    expect(term.release).toHaveBeenCalledTimes(2)
  })
})
