import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sleep, untilAborted } from '../async/timers.ts'
import { SdError } from '../errors.ts'
import { electLeader } from './elect-leader.ts'
import type { Lock, LockHandle } from './lock.ts'

interface Term extends LockHandle {
  readonly release: ReturnType<typeof vi.fn<() => Promise<void>>>
  /** Ends the leadership like a lost session. */
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

/** A lock that grants one term after another. */
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

  test('a round takes at least a second, even if the work returns at once', async () => {
    const { lock, terms } = createElection()
    const controller = new AbortController()
    const leading = electLeader(lock, 'leader', { signal: controller.signal }, async () => undefined)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(terms.length).toBeGreaterThanOrEqual(9)
    expect(terms.length).toBeLessThanOrEqual(13)
    controller.abort()
    await leading
  })

  test('works while it leads, becomes a candidate again after a loss, and ends with its signal', async () => {
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

  test('becomes a candidate again when the loss ended a wait of the work', async () => {
    const { lock, terms } = createElection()
    const controller = new AbortController()
    const leading = electLeader(lock, 'leader', { signal: controller.signal }, ({ signal }) => sleep(60_000, signal))
    await vi.waitFor(() => expect(terms).toHaveLength(1))
    terms[0]?.lose()
    await vi.waitFor(() => expect(terms).toHaveLength(2), { timeout: 3_000 })
    controller.abort()
    await leading
  })

  test('releases the lock when the work returns or throws, and passes its error on', async () => {
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

  test('passes on errors that are not retryable, but none after its signal aborted', async () => {
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

  test('does not start the work if its signal aborts when the lock is acquired', async () => {
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
      throw new Error('unreachable')
    })
    acquire.mockResolvedValueOnce(term)
    await electLeader(lock, 'leader', { signal: controller.signal }, async ({ signal }) => {
      controller.abort()
      await untilAborted(signal)
    })
    expect(term.release).toHaveBeenCalledTimes(2)
  })
})
