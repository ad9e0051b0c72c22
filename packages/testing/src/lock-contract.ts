import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import {
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkObject,
  electLeader,
  type Lock,
  type LockCapabilities,
  type LockHandle,
} from '@sd/core'
import { bindCases, type CaseBody, type ContractCase, createCaseClients } from './contract.ts'
import { hostileNames } from './samples.ts'
import { eventually, probeWatch, within } from './waiting.ts'

/** A backend for one case. */
export interface LockBackend {
  /** Opens another independent client. */
  open(): Promise<Lock>
  /** Cuts or restores the connection between one client and the backend. */
  setConnected(lock: Lock, connected: boolean): void | Promise<void>
  /** Takes a lock from its holder without notice, as an operator or another tool does by deleting its key. */
  deleteKey(key: string): Promise<void>
  /** Closes everything that is left. Called after every case. */
  dispose(): Promise<void>
}

/** Connects the lock contract with an implementation and its backend. */
export interface LockHarness {
  /** Creates a backend for one case. */
  readonly setup: () => Promise<LockBackend>
  /** Time after which a session without renewal has expired, in milliseconds, including any delay that the backend adds. */
  readonly sessionTtlMs: number
  /**
   * Unsupported capabilities, as declared by the lock. Their cases are omitted, so that a report shows what ran. Every
   * opened client must declare the same.
   *
   * @default all are true
   */
  readonly capabilities?: Partial<LockCapabilities>
  /** Longest time until a change is visible, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

interface LockContext {
  readonly backend: LockBackend
  readonly open: () => Promise<Lock>
  readonly sessionTtlMs: number
  readonly eventuallyMs: number
  readonly dispose: () => Promise<void>
}

/**
 * Marks a rejection as handled, for a promise that is awaited later. If the case fails first, closing its clients rejects
 * this promise too.
 */
function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

const cases: Readonly<Record<string, CaseBody<LockContext>>> = {
  'one client holds a lock at a time, and the next acquires it on release': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const first = await one.acquire('job', { value: 'first' })
    assert.equal(await other.tryAcquire('job'), undefined)
    assert.equal(await one.tryAcquire('job'), undefined, 'a lock is not reentrant')
    assert.equal((await other.holder('job'))?.value, 'first')
    const waiting = later(other.acquire('job', { value: 'second' }))
    await delay(100)
    assert.equal(first.signal.aborted, false)
    await Promise.all([first.release(), first.release()])
    assert.equal(first.signal.aborted, true)
    const second = await within(waiting, eventuallyMs, 'acquire after release')
    assert.ok(second.token > first.token, 'tokens increase')
    assert.equal((await one.holder('job'))?.value, 'second')
    await second.release()
    assert.equal(await one.holder('job'), undefined)
  },

  'of many contenders only one holds the lock at a time, and all acquire it': async ({ open, eventuallyMs }) => {
    const clients = [await open(), await open(), await open()]
    let holders = 0
    const tokens: bigint[] = []
    async function contend(lock: Lock): Promise<void> {
      await using handle = await lock.acquire('counter')
      holders++
      assert.equal(holders, 1)
      tokens.push(handle.token)
      await delay(5)
      holders--
    }
    const all = Array.from({ length: 12 }, (_, index) => contend(clients[index % 3] as Lock))
    await within(Promise.all(all), eventuallyMs * 6, 'all contenders')
    assert.deepEqual(
      tokens,
      [...tokens].sort((a, b) => (a < b ? -1 : 1)),
    )
    assert.equal(new Set(tokens).size, 12)
  },

  'locks with other names are free': async ({ open }) => {
    const lock = await open()
    const handles = await Promise.all(hostileNames.map((name) => lock.tryAcquire(name)))
    assert.ok(handles.every((handle) => handle !== undefined))
    await Promise.all(handles.map((handle) => handle?.release()))
  },

  'waiting ends at its time limit or signal, and leaves nothing behind': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const held = await one.acquire('job')
    await assert.rejects(other.acquire('job', { timeoutMs: 200 }), { code: 'SD_TIMEOUT' })
    const controller = new AbortController()
    const waiting = other.acquire('job', { signal: controller.signal })
    setTimeout(() => controller.abort(), 100)
    await assert.rejects(waiting, { code: 'SD_ABORTED' })
    await held.release()
    await eventually(async () => assert.equal(await one.holder('job'), undefined), eventuallyMs)
    const again = await within(one.acquire('job'), eventuallyMs, 'acquire')
    await again.release()
  },

  'a disconnected holder detects the loss before another one acquires the lock': async ({
    open,
    backend,
    sessionTtlMs,
    eventuallyMs,
  }) => {
    const [cut, other] = [await open(), await open()]
    const handle = await cut.acquire('job')
    let lostAt = 0
    handle.signal.addEventListener('abort', () => {
      lostAt = performance.now()
    })
    const waiting = later(other.acquire('job'))
    await backend.setConnected(cut, false)
    const next = await within(waiting, sessionTtlMs * 3 + eventuallyMs, 'acquire after a holder was disconnected')
    const takenAt = performance.now()
    assert.ok(handle.signal.aborted && lostAt <= takenAt, 'the old holder should detect the loss first')
    assert.ok(next.token > handle.token)
    await backend.setConnected(cut, true)
    await handle.release()
    await delay(200)
    assert.equal((await other.holder('job'))?.token, next.token, 'a late release does not affect the new holder')
    await next.release()
    const back = await within(cut.acquire('job'), eventuallyMs, 'acquire of a reconnected client')
    await back.release()
  },

  'a holder detects that its key was deleted, although its session is alive': async ({ open, backend, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const [taken, kept] = [await one.acquire('job'), await one.acquire('task')]
    await backend.deleteKey('job')
    await eventually(() => assert.ok(taken.signal.aborted, 'the holder should detect the loss'), eventuallyMs)
    assert.equal(kept.signal.aborted, false)
    const next = await within(other.acquire('job'), eventuallyMs, 'acquire of a lock that was taken away')
    assert.ok(next.token > taken.token)
    await taken.release()
    await delay(100)
    assert.equal((await other.holder('job'))?.token, next.token, 'a late release does not affect the new holder')
    await Promise.all([next.release(), kept.release()])
  },

  'a lock is held for longer than a session lasts': async ({ open, sessionTtlMs }) => {
    const [one, other] = [await open(), await open()]
    const handle = await one.acquire('job')
    await delay(sessionTtlMs * 1.5)
    assert.equal(handle.signal.aborted, false)
    assert.equal(await other.tryAcquire('job'), undefined)
    await handle.release()
  },

  'the holder can be watched': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const probe = probeWatch((options) => other.watchHolder('job', options), eventuallyMs)
    await eventually(() => assert.equal(probe.seen.at(-1)?.value, null), eventuallyMs)
    const handle = await one.acquire('job', { value: 'me' })
    await probe.until((holder) => assert.equal(holder?.value, 'me'))
    await handle.release()
    await eventually(() => assert.equal(probe.seen.at(-1)?.value, null), eventuallyMs)
    await probe.stop()
  },

  'an election has one leader at a time': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const leaders: string[] = []
    const controllers = { one: new AbortController(), other: new AbortController() }
    const stand = (lock: Lock, candidate: 'one' | 'other'): Promise<void> =>
      electLeader(lock, 'leader', { candidate, signal: controllers[candidate].signal }, async (leadership) => {
        leaders.push(leadership.value)
        await new Promise((resolve) => leadership.signal.addEventListener('abort', resolve, { once: true }))
      })
    const candidates = later(Promise.all([stand(one, 'one'), stand(other, 'other')]))
    await eventually(() => assert.equal(leaders.length, 1), eventuallyMs)
    controllers[leaders[0] as 'one' | 'other'].abort()
    await eventually(() => assert.equal(leaders.length, 2), eventuallyMs)
    assert.notEqual(leaders[0], leaders[1])
    controllers.one.abort()
    controllers.other.abort()
    await within(candidates, eventuallyMs, 'aborted candidates')
  },

  'an outage is an error, not a free lock': async ({ open, backend, eventuallyMs }) => {
    const [cut, other] = [await open(), await open()]
    const handle: LockHandle = await other.acquire('job')
    await backend.setConnected(cut, false)
    await assert.rejects(cut.tryAcquire('job'), { retryable: true })
    await assert.rejects(cut.holder('job'), { retryable: true })
    const waiting = later(cut.acquire('job'))
    await delay(200)
    await backend.setConnected(cut, true)
    await handle.release()
    const mine = await within(waiting, eventuallyMs * 2, 'acquire that began during the outage')
    await mine.release()
  },

  'closing releases locks, ends waiting and is idempotent': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const handle = await one.acquire('job')
    const waiting = later(assert.rejects(other.acquire('job'), { code: 'SD_CLOSED' }))
    await delay(100)
    await within(Promise.all([other.close(), other.close()]), eventuallyMs, 'close()')
    await waiting
    const third = await open()
    const next = later(third.acquire('job'))
    await one.close()
    assert.ok(handle.signal.aborted)
    await within(next, eventuallyMs, 'acquire after the holder closed')
    await assert.rejects(one.acquire('job'), { code: 'SD_CLOSED' })
    await assert.rejects(one.tryAcquire('job'), { code: 'SD_CLOSED' })
  },

  'invalid names are rejected': async ({ open }) => {
    const lock = await open()
    await assert.rejects(lock.acquire(''), { code: 'SD_INVALID', field: 'key' })
    await assert.rejects(lock.tryAcquire('a', { value: 'x'.repeat(5_000) }), { code: 'SD_INVALID', field: 'value' })
  },
}

const listCases: Readonly<Record<string, CaseBody<LockContext>>> = {
  'held locks are listed with their holders, below a prefix and up to a limit': async ({ open }) => {
    const [one, other] = [await open(), await open()]
    assert.deepEqual(await other.list(''), { locks: [], isTruncated: false })
    const names = ['jobs/nightly', 'jobs/hourly', 'jobs', 'other', ...hostileNames]
    const handles = await Promise.all(names.map((name) => one.acquire(name, { value: `holder of ${name}` })))
    const waiting = later(other.acquire('other', { value: 'waiting' }))
    const listed = async (prefix: string, limit?: number): Promise<unknown> => {
      const { locks, isTruncated } = await other.list(prefix, { ...(limit && { limit }) })
      return { locks: locks.map(({ key, value, token }) => `${key} ${value} ${token}`).sort(), isTruncated }
    }
    const expected = (prefix: string): readonly string[] =>
      handles
        .filter(({ key }) => key.startsWith(prefix))
        .map(({ key, value, token }) => `${key} ${value} ${token}`)
        .sort()
    for (const prefix of ['', 'jobs', 'jobs/', 'jobs/n', 'none', ...hostileNames]) {
      assert.deepEqual(await listed(prefix), { locks: expected(prefix), isTruncated: false }, `prefix ${JSON.stringify(prefix)}`)
    }
    const { locks, isTruncated } = await other.list('', { limit: 2 })
    assert.deepEqual([locks.length, isTruncated], [2, true])
    assert.equal((await other.list('jobs', { limit: 3 })).isTruncated, false)
    await Promise.all(handles.map((handle) => handle.release()))
    const taken = await waiting
    assert.deepEqual((await one.list('')).locks, [{ key: 'other', value: 'waiting', token: taken.token }])
    await taken.release()
  },

  'listing is an error during an outage and after close, and its arguments are checked': async ({ open, backend }) => {
    const [cut, other] = [await open(), await open()]
    await other.acquire('job')
    await backend.setConnected(cut, false)
    await assert.rejects(cut.list(''), { retryable: true })
    await backend.setConnected(cut, true)
    await assert.rejects(other.list('', { limit: 0 }), { code: 'SD_INVALID', field: 'limit' })
    await assert.rejects(other.list('', { signal: AbortSignal.abort() }), { code: 'SD_ABORTED' })
    await other.close()
    await assert.rejects(other.list(''), { code: 'SD_CLOSED' })
  },
}

const withoutListCases: Readonly<Record<string, CaseBody<LockContext>>> = {
  'listing is refused by a lock that does not support it': async ({ open }) => {
    await assert.rejects((await open()).list(''), { code: 'SD_UNSUPPORTED' })
  },
}

/**
 * The contract of `Lock`, and of elections on it.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function lockContract(harness: LockHarness): readonly ContractCase[] {
  checkKnownKeys('harness', checkObject('harness', harness), ['setup', 'sessionTtlMs', 'capabilities', 'eventuallyMs'])
  checkFunction('harness.setup', harness.setup)
  checkDuration('harness.sessionTtlMs', harness.sessionTtlMs, 100)
  const { sessionTtlMs, eventuallyMs = 5_000, capabilities = {} } = harness
  checkKnownKeys('harness.capabilities', checkObject('harness.capabilities', capabilities), ['list'])
  const { list = true } = capabilities
  return bindCases(
    { ...cases, ...(list ? listCases : withoutListCases) },
    async () => {
      const backend = await harness.setup()
      const { open, dispose } = createCaseClients(backend)
      return {
        backend,
        sessionTtlMs,
        eventuallyMs,
        dispose,
        async open() {
          const lock = await open()
          assert.equal(lock.capabilities.list, list, 'harness.capabilities.list should match the lock')
          return lock
        },
      }
    },
    (context) => context.dispose(),
  )
}
