import assert from 'node:assert/strict'
import { CONFIG_FORMATS } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import { type ConfigContext, entryOf } from './config-source-harness.ts'
import type { CaseBody } from './contract.ts'
import { type ConfigSample, configSamples } from './samples.ts'
import { eventually, probeWatch } from './waiting.ts'

/** Cases about reading everything once. */
export const configReadCases: Readonly<Record<string, CaseBody<ConfigContext>>> = {
  'an empty source is an empty document': async ({ open, eventuallyMs }) => {
    const source = await open()
    const document = await source.load()
    assert.deepEqual(document, { source: source.name, entries: [] })
    assert.equal(source.state, 'connected')
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until(({ entries }) => assert.deepEqual(entries, []))
    assert.equal(probe.seen[0]?.stale, undefined)
    await probe.stop()
  },

  'a source has the methods that its capabilities declare': async ({ open }) => {
    const source = await open()
    for (const operation of ['put', 'delete']) assert.equal(operation in source, source.capabilities.write, operation)
  },

  'entries are in merge order': async ({ open, backend, keys: [first, second], untilLoaded }) => {
    const source = await open()
    await backend.write(second, '2')
    await backend.write(first, '1')
    const document = await untilLoaded(source, [
      [first, '1'],
      [second, '2'],
    ])
    assert.equal(document.source, source.name)
    assert.ok(Object.isFrozen(document) && Object.isFrozen(document.entries), 'documents are frozen')
    for (const { key, format, revision } of document.entries) {
      assert.ok(CONFIG_FORMATS.includes(format), `${key} has the format ${format}`)
      assert.ok(typeof revision === 'string' && revision !== '', `${key} has the revision ${revision}`)
    }
    assert.ok(document.entries.every(Object.isFrozen), 'entries are frozen')
  },

  'content is unchanged, byte for byte': async ({ open, backend, keys: [key], cannotHold, untilLoaded }) => {
    const source = await open()
    for (const [sample, content] of Object.entries(configSamples)) {
      if (cannotHold.includes(sample as ConfigSample)) continue
      await backend.write(key, content)
      await untilLoaded(source, [[key, content]])
    }
  },

  'the longest content is complete': async ({ open, backend, keys: [key], largestBytes, untilLoaded }) => {
    const source = await open()
    // Characters of two bytes and one more byte for an odd length: the limit is in bytes, and chunks may end anywhere.
    const content = 'é'.repeat(largestBytes >> 1).padEnd((largestBytes >> 1) + (largestBytes & 1), 'x')
    await backend.write(key, content)
    await untilLoaded(source, [[key, content]])
  },

  'the revision changes with the content': async ({ open, backend, keys: [key], untilLoaded }) => {
    const source = await open()
    let before: string | undefined
    for (const content of ['1', '2', '1', '3']) {
      await backend.write(key, content)
      const document = await untilLoaded(source, [[key, content]])
      const revision = entryOf(document, key)?.revision
      assert.notEqual(revision, before)
      assert.equal(entryOf(await source.load(), key)?.revision, revision, 'it is the same without a change')
      before = revision
    }
  },

  'removed entries disappear': async ({ open, backend, keys: [first, second], untilLoaded }) => {
    const source = await open()
    await backend.write(first, '1')
    await backend.write(second, '2')
    await untilLoaded(source, [
      [first, '1'],
      [second, '2'],
    ])
    await backend.remove(first)
    await untilLoaded(source, [[second, '2']])
    await backend.remove(second)
    await untilLoaded(source, [])
  },

  'load and watch yield the same document': async ({ open, backend, keys: [first, second], eventuallyMs }) => {
    const [loading, watching] = [await open(), await open()]
    await backend.write(first, '1')
    await backend.write(second, '2')
    const probe = probeWatch((options) => watching.watch(options), eventuallyMs)
    const watched = await probe.until(({ entries }) => assert.equal(entries.length, 2))
    await eventually(async () => assert.deepEqual(await loading.load(), watched), eventuallyMs)
    assert.deepEqual(await watching.load(), watched)
    await probe.stop()
  },

  'an aborted signal ends loading': async ({ open }) => {
    const source = await open()
    const reason = new Error('enough')
    await assert.rejects(source.load({ signal: AbortSignal.abort(reason) }), (error) => {
      assert(error instanceof SdError)
      assert.deepEqual([error.code, error.cause], ['SD_ABORTED', reason])
      return true
    })
  },
}
