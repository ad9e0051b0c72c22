import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { assertTexts, type ConfigContext, entryOf } from './config-source-harness.ts'
import type { CaseBody } from './contract.ts'
import { probeWatch, within } from './waiting.ts'

/** Cases about watching a source. */
export const configWatchCases: Readonly<Record<string, CaseBody<ConfigContext>>> = {
  'a watch yields what other tools write, change and remove': async ({ open, backend, keys: [first, second], eventuallyMs }) => {
    const source = await open()
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    await backend.write(second, 'b')
    await probe.until((document) => assertTexts(document, [[second, 'b']]))
    for (const content of ['a', 'A']) {
      await backend.write(first, content)
      await probe.until((document) => {
        assertTexts(document, [
          [first, content],
          [second, 'b'],
        ])
      })
    }
    await backend.remove(first)
    await probe.until((document) => assertTexts(document, [[second, 'b']]))
    await backend.remove(second)
    await probe.until((document) => assertTexts(document, []))
    await probe.stop()
  },

  'an entry that did not change keeps its identity': async ({ open, backend, keys: [first, second], eventuallyMs }) => {
    const source = await open()
    await backend.write(first, '1')
    await backend.write(second, '2')
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    const before = await probe.until(({ entries }) => assert.equal(entries.length, 2))
    await backend.write(second, '3')
    const after = await probe.until((document) => assert.equal(entryOf(document, second)?.content, '3'))
    assert.equal(entryOf(after, first), entryOf(before, first))
    await probe.stop()
  },

  'a watch yields only changes': async ({ open, backend, keys: [key], eventuallyMs }) => {
    const source = await open()
    await backend.write(key, '1')
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, [[key, '1']]))
    const { length } = probe.seen
    await delay(Math.min(eventuallyMs / 4, 1_500))
    await source.load()
    assert.equal(probe.seen.length, length, 'nothing has changed')
    await probe.stop()
  },

  'a slow consumer receives only the latest document': async ({ open, backend, keys: [key], eventuallyMs }) => {
    const source = await open()
    const iterator = source.watch()[Symbol.asyncIterator]()
    await iterator.next()
    const observer = probeWatch((options) => source.watch(options), eventuallyMs)
    for (let index = 1; index <= 5; index++) {
      await backend.write(key, `${index}`)
      await observer.until((document) => assertTexts(document, [[key, `${index}`]]))
    }
    const { value: step } = await within(iterator.next(), eventuallyMs, 'next')
    assertTexts(step.value, [[key, '5']])
    await Promise.all([iterator.return?.(), observer.stop()])
  },

  'a burst of changes ends with the last one': async ({ open, backend, keys: [first, second], eventuallyMs }) => {
    const source = await open()
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    for (let index = 1; index <= 20; index++) await backend.write(index % 2 === 0 ? first : second, `${index}`)
    await probe.until((document) => {
      assertTexts(document, [
        [first, '20'],
        [second, '19'],
      ])
    })
    await probe.stop()
  },

  'several consumers share one watch': async ({ open, backend, keys: [key], eventuallyMs }) => {
    const source = await open()
    const early = probeWatch((options) => source.watch(options), eventuallyMs)
    await early.until((document) => assertTexts(document, []))
    await backend.write(key, '1')
    await early.until((document) => assertTexts(document, [[key, '1']]))
    const late = probeWatch((options) => source.watch(options), eventuallyMs)
    const lateValue = await late.until((document) => assertTexts(document, [[key, '1']]))
    assert.equal(late.seen.length, 1, 'a late consumer receives the current document, not the history')
    assert.equal(lateValue, early.seen.at(-1)?.value, 'all consumers receive the same document')
    await early.stop()
    await backend.write(key, '2')
    await late.until((document) => assertTexts(document, [[key, '2']]))
    await late.stop()
  },

  'leaving or aborting a watch ends it, even while it waits': async ({ open, eventuallyMs }) => {
    const source = await open()
    for await (const _ of source.watch()) break
    const iterator = source.watch()[Symbol.asyncIterator]()
    await iterator.next()
    const pending = iterator.next()
    await within(Promise.resolve(iterator.return?.()), eventuallyMs, 'return()')
    assert.equal((await within(pending, eventuallyMs, 'the pending next()')).done, true)
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    await probe.stop()
    const aborted = probeWatch(() => source.watch({ signal: AbortSignal.abort() }), eventuallyMs)
    await within(aborted.ended, eventuallyMs, 'a watch with an aborted signal')
    assert.deepEqual(aborted.seen, [])
  },
}
