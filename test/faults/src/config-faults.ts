import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { isConfigKey } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import { bindCases, type CaseBody, type ContractCase, eventually, within } from '@sd/testing'
import { type ConfigFaultContext, type ConfigFaultHarness, contentsOf, createConfigFaultContext } from './config-fault-context.ts'

/** What other tools may leave where a text should be. */
const garbage: Readonly<Record<string, string | Uint8Array>> = {
  'an empty text': '',
  'a NUL': '\u0000',
  'bytes that are no UTF-8': Uint8Array.of(0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28, 0xed, 0xa0, 0x80),
  '300,000 bytes': 'x'.repeat(300_000),
  '8 MiB': 'x'.repeat(8 * 1_048_576),
}

/** Keys that are none, as tree browsers and attackers leave them. */
const nonsenseKeys: readonly string[] = ['folder/', 'a//b', '../up', 'a/./b', '__proto__', ' ', 'x'.repeat(300)]

/** What a watch tells at first. */
const complete = 'one + two'

const cases: Readonly<Record<string, CaseBody<ConfigFaultContext>>> = {
  'a server that is killed and restarted': async ({ target, harness, watcher, probe, limitMs, write, recovered }) => {
    await target.server.kill()
    await probe.untilStale(true)
    assert.deepEqual(toldBy(probe, harness.keys), [complete], 'what is lost is stale, and not gone')
    await assert.rejects(within(watcher.load(), limitMs, 'load()'), { name: 'SdError', retryable: true })
    await delay(500)
    await target.server.start()
    await recovered('killed and restarted', ['one', 'two'])
    assert.deepEqual(toldBy(probe, harness.keys), [complete], 'what is lost is stale, and not gone')
    await write(0, 'ONE')
    await recovered('changed after a restart', ['ONE', 'two'])
  },

  'a server that comes back empty': async ({ target, harness, scope, probe, write, recovered }) => {
    await target.server.restartEmpty()
    await harness.afterEmptyRestart?.(scope)
    // A source tells exactly what the server has; to keep the last good configuration is for who uses it.
    await recovered('restarted empty', [undefined, undefined])
    const emptied = probe.seen.find(({ value }) => value?.entries.length === 0)
    assert.equal(emptied?.stale, undefined, 'only the server itself says that there is nothing')
    await write(1, 'new')
    await recovered('written anew', [undefined, 'new'])
  },

  'a server that is paused': async ({ target, harness, probe, write, recovered }) => {
    await target.server.pause()
    await probe.untilStale(true).finally(() => target.server.resume())
    await recovered('paused', ['one', 'two'])
    assert.deepEqual(toldBy(probe, harness.keys), [complete], 'what is lost is stale, and not gone')
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

  'a connection that is half open': async ({ link, harness, watcher, probe, limitMs, write, recovered }) => {
    await link.blackHole()
    await probe.untilStale(true)
    await assert.rejects(within(watcher.load(), limitMs, 'load()'), { name: 'SdError', retryable: true })
    assert.deepEqual(toldBy(probe, harness.keys), [complete], 'what is lost is stale, and not gone')
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
      'latency alone loses nothing',
    )
  },

  'changes during an outage': async ({ link, harness, scope, probe, write, recovered }) => {
    await link.cut()
    await probe.untilStale(true)
    for (let index = 1; index <= 20; index++) await write(1, `${index}`)
    await harness.remove(scope, harness.keys[0])
    await link.restore()
    await recovered('changed and removed during an outage', [undefined, '20'])
    assert.deepEqual(toldBy(probe, harness.keys), [complete, ' + 20'], 'nothing in between, and nothing mixed')
  },

  'a consumer that stalls': async ({ watcher, probe, harness, limitMs, write }) => {
    const iterator = watcher.watch()[Symbol.asyncIterator]()
    await iterator.next()
    for (let index = 1; index <= 30; index++) await write(0, `${index}`)
    await probe.until((document) => assert.deepEqual(contentsOf(document, harness.keys), ['30', 'two']))
    const { value: step } = await within(iterator.next(), limitMs, 'next')
    assert.deepEqual(contentsOf(step.value, harness.keys), ['30', 'two'], 'it gets the latest at once')
    await iterator.return?.()
  },

  'garbage that others write': async ({ harness, scope, observer, probe, limitMs, write, recovered }) => {
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
        // Refused with its place, so that nothing is lost on the way: all stays as it was until somebody mends it.
        assert.ok(refusal instanceof SdError && refusal.code === 'SD_MALFORMED', String(refusal))
        assert.ok(refusal.message.includes(second), `${refusal.message} names ${second}`)
        await probe.untilStale(true)
        assert.ok(await isWritten(harness.write(scope, second, 'two')))
        await probe.untilStale(false)
        continue
      }
      const document = await probe.until((value) => assert.equal(contentsOf(value, [first])[0], name))
      for (const { key, content: text } of document.entries) assert.ok(text.isWellFormed(), `${key} is no text`)
    }
    for (const key of nonsenseKeys) await isWritten(harness.write(scope, key, 'x'))
    await write(0, 'one')
    await write(1, 'two')
    await recovered('garbage', ['one', 'two'])
    for (const { key } of (await observer.load()).entries) assert.ok(isConfigKey(key), `${JSON.stringify(key)} is no key`)
    assert.ok(
      probe.seen.every(({ stale }) => stale === undefined || stale.error.code === 'SD_MALFORMED'),
      'a watch goes on',
    )
  },

  'a write whose answer is lost': async ({ link, harness, watcher, observer, limitMs, recovered }) => {
    const [key] = harness.keys
    for (const hurt of [() => link.reset(1), () => link.blackHole()]) {
      await hurt()
      const outcome = await within(watcher.put(key, 'ONE').then(undefined, asError), 2 * limitMs, 'put()')
      assert.ok(!(outcome instanceof Error) || (outcome instanceof SdError && outcome.retryable), String(outcome))
      await link.restore()
      // What the server has received it may still be about to do.
      await delay(500)
      const [found] = contentsOf(await observer.load(), [key])
      assert.ok(found === 'one' || found === 'ONE', 'it was written, or it was not')
      await recovered('a lost answer', [found, 'two'])
    }
    await eventually(() => watcher.put(key, 'again'), limitMs)
    await recovered('written again', ['again', 'two'])
  },

  'closing while the way to the server is a black hole': async ({ link, watcher, probe, limitMs }) => {
    await link.blackHole()
    await delay(100)
    const loading = assert.rejects(watcher.load())
    // Bounded: seconds without any sign of the backend, and a busy machine.
    await within(watcher.close(), 6_000, 'close()')
    await within(Promise.all([probe.ended, loading]), limitMs, 'what was under way')
  },
}

/**
 * Faults of a running server and of the way to it, for sources of configuration, as cases of any test runner. What only one backend has,
 * such as compaction or the expiry of sessions, its adapter tests itself.
 */
export function configFaults(harness: ConfigFaultHarness): readonly ContractCase[] {
  return bindCases(
    cases,
    () => createConfigFaultContext(harness),
    (context) => context.dispose(),
  )
}

/** What the watch told, each once and in turn, since it first told all. */
function toldBy({ seen }: ConfigFaultContext['probe'], keys: readonly string[]): readonly string[] {
  const told = seen.map(({ value }) => contentsOf(value, keys).join(' + '))
  return told.slice(told.indexOf(complete)).filter((contents, index, all) => contents !== all[index - 1])
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
