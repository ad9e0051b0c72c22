import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { isConfigKey } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import { bindCases, type CaseBody, type ContractCase, eventually, within } from '@sd/testing'
import { type ConfigFaultContext, type ConfigFaultHarness, contentsOf, createConfigFaultContext } from './config-fault-context.ts'
import { isLongRun } from './fault-scene.ts'
import { configSoak, soakMinutes } from './soak.ts'

/** What other tools may store instead of a valid text. */
const garbage: Readonly<Record<string, string | Uint8Array>> = {
  'an empty text': '',
  'a NUL': '\u0000',
  'bytes that are not UTF-8': Uint8Array.of(0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28, 0xed, 0xa0, 0x80),
  '300,000 bytes': 'x'.repeat(300_000),
  '8 MiB': 'x'.repeat(8 * 1_048_576),
}

/** Invalid keys, as tree browsers and attackers leave them. */
const nonsenseKeys: readonly string[] = ['folder/', 'a//b', '../up', 'a/./b', '__proto__', ' ', 'x'.repeat(300)]

/** The first contents that a watch yields. */
const complete = 'one + two'

const cases: Readonly<Record<string, CaseBody<ConfigFaultContext>>> = {
  'a server that is killed and restarted': async ({ target, harness, watcher, probe, limitMs, write, recovered }) => {
    await target.server.kill()
    await probe.untilStale(true)
    assert.deepEqual(yieldedBy(probe, harness.keys), [complete], 'the value is stale, but kept')
    await assert.rejects(within(watcher.load(), limitMs, 'load()'), { name: 'SdError', retryable: true })
    await delay(500)
    await target.server.start()
    await recovered('killed and restarted', ['one', 'two'])
    assert.deepEqual(yieldedBy(probe, harness.keys), [complete], 'the value is stale, but kept')
    await write(0, 'ONE')
    await recovered('changed after a restart', ['ONE', 'two'])
  },

  'a server that restarts empty': async ({ target, harness, scope, probe, write, recovered }) => {
    await target.server.restartEmpty()
    await harness.afterEmptyRestart?.(scope)
    // A source reports exactly what the server has. Keeping the last valid configuration is up to its user.
    await recovered('restarted empty', [undefined, undefined])
    const emptied = probe.seen.find(({ value }) => value?.entries.length === 0)
    assert.equal(emptied?.stale, undefined, 'only the server itself can report that there is nothing')
    await write(1, 'new')
    await recovered('written again', [undefined, 'new'])
  },

  'a server that is paused': async ({ target, harness, probe, write, recovered }) => {
    await target.server.pause()
    await probe.untilStale(true).finally(() => target.server.resume())
    await recovered('paused', ['one', 'two'])
    assert.deepEqual(yieldedBy(probe, harness.keys), [complete], 'the value is stale, but kept')
    await write(1, 'TWO')
    await recovered('changed after a pause', ['one', 'TWO'])
  },

  'connections that are reset in mid-frame': async ({ link, write, recovered }) => {
    for (const bytes of [1, 20, 200]) {
      await link.reset(bytes)
      await write(0, `after ${bytes}`)
      await delay(500)
      await link.restore()
    }
    await recovered('reset in mid-frame', ['after 200', 'two'])
  },

  'a half-open connection': async ({ link, harness, watcher, probe, limitMs, write, recovered }) => {
    await link.blackHole()
    await probe.untilStale(true)
    await assert.rejects(within(watcher.load(), limitMs, 'load()'), { name: 'SdError', retryable: true })
    assert.deepEqual(yieldedBy(probe, harness.keys), [complete], 'the value is stale, but kept')
    await write(1, 'meanwhile')
    await link.restore()
    await recovered('half-open connection', ['one', 'meanwhile'])
  },

  'slow and sliced packets': async ({ link, probe, write, recovered }) => {
    await link.delay(200)
    await link.slice(20)
    const { length } = probe.seen
    const long = 'é'.repeat(5_000)
    await write(0, 'ONE')
    await write(1, long)
    await recovered('200 ms latency, sliced packets', ['ONE', long])
    assert.ok(
      probe.seen.slice(length).every(({ stale }) => stale === undefined),
      'latency alone does not interrupt a watch',
    )
  },

  'changes during an outage': async ({ link, harness, scope, probe, write, recovered }) => {
    await link.cut()
    await probe.untilStale(true)
    for (let index = 1; index <= 20; index++) await write(1, `${index}`)
    await harness.remove(scope, harness.keys[0])
    await link.restore()
    await recovered('changed and removed during an outage', [undefined, '20'])
    assert.deepEqual(yieldedBy(probe, harness.keys), [complete, ' + 20'], 'nothing in between, and no mixture')
  },

  'a consumer that stalls': async ({ watcher, probe, harness, limitMs, write }) => {
    const iterator = watcher.watch()[Symbol.asyncIterator]()
    await iterator.next()
    for (let index = 1; index <= 30; index++) await write(0, `${index}`)
    await probe.until((document) => assert.deepEqual(contentsOf(document, harness.keys), ['30', 'two']))
    const { value: step } = await within(iterator.next(), limitMs, 'next')
    assert.deepEqual(contentsOf(step.value, harness.keys), ['30', 'two'], 'it receives the latest document at once')
    await iterator.return?.()
  },

  'invalid entries of other tools': async ({ harness, scope, observer, probe, limitMs, write, recovered }) => {
    const [first, second] = harness.keys
    for (const [name, content] of Object.entries(garbage)) {
      if (!(await isWritten(harness.write(scope, second, content)))) continue
      await write(0, name)
      const refusal = await within(
        observer.load().then(() => undefined, asError),
        limitMs,
        `load() with ${name}`,
      )
      if (refusal instanceof Error) {
        // Rejected with its key, so that nothing disappears silently: everything stays as it was until someone repairs
        // the entry.
        assert.ok(refusal instanceof SdError && refusal.code === 'SD_MALFORMED', String(refusal))
        assert.ok(refusal.message.includes(second), `${refusal.message} should name ${second}`)
        await probe.untilStale(true)
        assert.ok(await isWritten(harness.write(scope, second, 'two')))
        await probe.untilStale(false)
        continue
      }
      const document = await probe.until((value) => assert.equal(contentsOf(value, [first])[0], name))
      for (const { key, content: text } of document.entries) assert.ok(text.isWellFormed(), `${key} is not well-formed text`)
    }
    for (const key of nonsenseKeys) await isWritten(harness.write(scope, key, 'x'))
    await write(0, 'one')
    await write(1, 'two')
    await recovered('garbage', ['one', 'two'])
    for (const { key } of (await observer.load()).entries)
      assert.ok(isConfigKey(key), `${JSON.stringify(key)} is not a valid key`)
    const interruptions = probe.seen.flatMap(({ stale }) => (stale && stale.error.code !== 'SD_MALFORMED' ? [stale.error] : []))
    assert.deepEqual(interruptions, [], 'the watch continues')
  },

  'a write whose response is lost': async ({ link, harness, watcher, observer, limitMs, recovered }) => {
    const [key] = harness.keys
    for (const hurt of [() => link.reset(1), () => link.blackHole()]) {
      await hurt()
      const outcome = await within(watcher.put(key, 'ONE').then(undefined, asError), 2 * limitMs, 'put()')
      assert.ok(!(outcome instanceof Error) || (outcome instanceof SdError && outcome.retryable), String(outcome))
      await link.restore()
      // The server may still process what it has received.
      await delay(500)
      const [found] = contentsOf(await observer.load(), [key])
      assert.ok(found === 'one' || found === 'ONE', 'it was either written or not')
      await recovered('a lost response', [found, 'two'])
    }
    await eventually(() => watcher.put(key, 'again'), limitMs)
    await recovered('written again', ['again', 'two'])
  },

  'closing while the connection to the server is a black hole': async ({ link, watcher, probe, limitMs }) => {
    await link.blackHole()
    await delay(100)
    const loading = assert.rejects(watcher.load())
    // Bounded: a few seconds without a response of the backend, and a margin for a busy machine.
    await within(watcher.close(), 6_000, 'close()')
    await within(Promise.all([probe.ended, loading]), limitMs, 'pending operations')
  },
}

/**
 * Faults of a running server and of the connection to it, for configuration sources, as cases for any test runner.
 * Adapters test faults that only one backend has, such as compaction or the expiry of sessions, themselves.
 * `pnpm test:faults` adds a long case.
 */
export function configFaults(harness: ConfigFaultHarness): readonly ContractCase[] {
  const bound = bindCases(
    cases,
    () => createConfigFaultContext(harness),
    (context) => context.dispose(),
  )
  const long: readonly ContractCase[] = [
    { name: `memory stays flat through ${soakMinutes} minutes of writes`, run: () => configSoak(harness) },
  ]
  return [...bound, ...(isLongRun ? long : [])]
}

/** Returns the distinct contents that the watch yielded, in order, from the first complete one. */
function yieldedBy({ seen }: ConfigFaultContext['probe'], keys: readonly string[]): readonly string[] {
  const yielded = seen.map(({ value }) => contentsOf(value, keys).join(' + '))
  return yielded.slice(yielded.indexOf(complete)).filter((contents, index, all) => contents !== all[index - 1])
}

function isWritten(writing: Promise<void>): Promise<boolean> {
  return writing.then(
    () => true,
    () => false,
  )
}

function asError(error: unknown): Error {
  return error as Error
}
