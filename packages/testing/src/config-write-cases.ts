import assert from 'node:assert/strict'
import type { ConfigEntry, WritableConfigSource } from '@sd/core'
import { assertTexts, type ConfigContext, entryOf } from './config-source-harness.ts'
import type { CaseBody } from './contract.ts'
import { configSamples } from './samples.ts'
import { probeWatch } from './waiting.ts'

/** Context of a case that writes: two sources on one backend. */
interface WriteContext extends ConfigContext {
  readonly one: WritableConfigSource
  readonly other: WritableConfigSource
}

const conflict = { name: 'SdError', code: 'SD_CONFLICT', retryable: false }

/** Returns the fields that a writer and a reader must agree on. */
function essence({ key, content, format, revision, author, comment }: ConfigEntry): object {
  return { key, content, format, revision, author, comment }
}

/** Cases about writing. */
const cases: Readonly<Record<string, CaseBody<WriteContext>>> = {
  'other sources see what one writes and removes': async ({ one, other, keys: [first, second], untilLoaded, eventuallyMs }) => {
    const probe = probeWatch((options) => other.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    await one.put(second, 'b')
    await probe.until((document) => assertTexts(document, [[second, 'b']]))
    await one.put(first, 'a')
    await one.put(second, 'B')
    const texts = [
      [first, 'a'],
      [second, 'B'],
    ] as const
    await probe.until((document) => assertTexts(document, texts))
    await untilLoaded(other, texts)
    await one.delete(second)
    await probe.until((document) => assertTexts(document, [[first, 'a']]))
    await one.delete(second)
    await one.delete(first)
    await probe.until((document) => assertTexts(document, []))
    await probe.stop()
  },

  'put returns the entry as other sources read it': async ({ one, other, keys: [key], untilLoaded }) => {
    for (const content of ['1', '2']) {
      const written = await one.put(key, content)
      const document = await untilLoaded(other, [[key, content]])
      assert.deepEqual(essence(written), essence(document.entries[0] as ConfigEntry))
    }
  },

  'written content is unchanged, byte for byte': async ({ one, other, keys: [key], largestBytes, cannotHold, untilLoaded }) => {
    const samples = Object.entries(configSamples).filter(([name]) => !cannotHold.some((sample) => sample === name))
    for (const content of [...samples.map(([, text]) => text), 'x'.repeat(largestBytes)]) {
      await one.put(key, content)
      await untilLoaded(other, [[key, content]])
    }
  },

  "content that the backend can't store is rejected": async ({ one, keys: [key], largestBytes, cannotHold, untilLoaded }) => {
    await one.put(key, 'kept')
    await assert.rejects(one.put(key, 'x'.repeat(largestBytes + 1)), { code: 'SD_TOO_LARGE' })
    for (const sample of cannotHold) {
      await assert.rejects(one.put(key, configSamples[sample]), { code: 'SD_INVALID', field: 'content' }, sample)
    }
    await untilLoaded(one, [[key, 'kept']])
  },

  'an invalid key is rejected': async ({ one, keys: [key], untilLoaded }) => {
    await one.put(key, 'kept')
    for (const wrong of ['__proto__', `__proto__/${key}`, `${key}/__proto__`, '', '/a', 'a/', 'a//b', '../a', '.']) {
      await assert.rejects(one.put(wrong, 'x'), { code: 'SD_INVALID', field: 'key' }, wrong)
    }
    await untilLoaded(one, [[key, 'kept']])
  },

  'only a writer with the current revision may write': async ({ one, other, keys: [key], untilLoaded }) => {
    const { revision: old } = await one.put(key, '1', { ifRevision: null })
    await untilLoaded(other, [[key, '1']])
    await assert.rejects(other.put(key, 'x', { ifRevision: null }), conflict)
    const { revision } = await other.put(key, '2', { ifRevision: old })
    await untilLoaded(one, [[key, '2']])
    for (const wrong of [old, 'no revision at all', '']) {
      await assert.rejects(one.put(key, 'x', { ifRevision: wrong }), conflict)
      await assert.rejects(one.delete(key, { ifRevision: wrong }), conflict)
    }
    await assert.rejects(one.delete(key, { ifRevision: null }), conflict)
    const document = await untilLoaded(one, [[key, '2']])
    assert.equal(entryOf(document, key)?.revision, revision, 'a conflict changes nothing')
    await one.delete(key, { ifRevision: revision })
    await untilLoaded(other, [])
    await assert.rejects(other.put(key, 'x', { ifRevision: revision }), conflict)
    await assert.rejects(other.delete(key, { ifRevision: revision }), conflict)
    await other.delete(key, { ifRevision: null })
    await untilLoaded(one, [])
  },

  'author and comment are stored if the source supports them': async ({ one, other, keys: [key], untilLoaded }) => {
    const given = { author: 'Zoë <zoe@example.com>', comment: 'größer: "100 %"\n+1 🦄' }
    const kept = one.capabilities.annotations ? given : { author: undefined, comment: undefined }
    const written = await one.put(key, '1', given)
    const { author, comment } = (await untilLoaded(other, [[key, '1']])).entries[0] as ConfigEntry
    assert.deepEqual({ author, comment }, kept)
    assert.deepEqual({ author: written.author, comment: written.comment }, kept)
    await other.put(key, '2')
    const [next] = (await untilLoaded(one, [[key, '2']])).entries
    assert.deepEqual([next?.author, next?.comment], [undefined, undefined], 'they are not attributed to the next writer')
  },

  'invalid input is rejected with the name of the field, and nothing is sent': async ({ one, keys: [key], untilLoaded }) => {
    const refused = (field: string): object => ({ name: 'SdError', code: 'SD_INVALID', field })
    for (const bad of ['', '/a', 'a/', 'a//b', 'a/../b', './a', '\ud800', 'x'.repeat(256), 1]) {
      await assert.rejects(one.put(bad as string, 'x'), refused('key'), `the key ${JSON.stringify(bad)}`)
      await assert.rejects(one.delete(bad as string), refused('key'), `the key ${JSON.stringify(bad)}`)
    }
    for (const bad of [undefined, 1, Buffer.from('x'), 'secret \ud800']) {
      await assert.rejects(one.put(key, bad as string), (error: Error) => {
        assert.partialDeepStrictEqual({ ...error }, { code: 'SD_INVALID', field: 'content' })
        assert.ok(!error.message.includes('secret'), 'a possible secret is not shown')
        return true
      })
    }
    for (const [field, bad] of Object.entries({ ifRevision: 1, author: '\ud800', comment: {}, revision: '1' })) {
      await assert.rejects(one.put(key, 'x', { [field]: bad }), refused(field), field)
      await assert.rejects(one.delete(key, { [field]: bad }), refused(field), field)
    }
    await untilLoaded(one, [])
  },

  'an aborted signal ends writing, and nothing is sent': async ({ one, other, keys: [key], untilLoaded }) => {
    const { revision } = await one.put(key, '1')
    const signal = AbortSignal.abort()
    await assert.rejects(one.put(key, '2', { signal }), { code: 'SD_ABORTED' })
    await assert.rejects(one.delete(key, { signal }), { code: 'SD_ABORTED' })
    const document = await untilLoaded(other, [[key, '1']])
    assert.equal(entryOf(document, key)?.revision, revision)
  },

  'writing to a closed source rejects with SD_CLOSED': async ({ one, keys: [key] }) => {
    await one.close()
    const closed = { name: 'SdError', code: 'SD_CLOSED' }
    await assert.rejects(one.put(key, '1'), closed)
    await assert.rejects(one.delete(key), closed)
  },
}

/** Cases about conditional writes. */
const conditionalCases: Readonly<Record<string, CaseBody<WriteContext>>> = {
  'of ten concurrent writers with one revision, exactly one succeeds': async ({ one, other, keys: [key], untilLoaded }) => {
    let ifRevision: string | null = null
    for (let round = 0; round < 5; round++) {
      const outcomes: readonly PromiseSettledResult<ConfigEntry>[] = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? one : other).put(key, `${round}-${index}`, { ifRevision })),
      )
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value)
      const lost = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason.code)
      assert.equal(won.length, 1, `${won.length} of ten succeeded`)
      assert.deepEqual(lost, Array(9).fill('SD_CONFLICT'))
      const [winner] = won as [ConfigEntry]
      await untilLoaded(one, [[key, winner.content]])
      ifRevision = winner.revision
    }
  },
}

/** Cases about writing during an outage. */
const outageCases: Readonly<Record<string, CaseBody<WriteContext>>> = {
  'writing in an outage rejects with a retryable error': async ({ one, other, backend, keys: [key], untilLoaded }) => {
    await one.put(key, '1')
    await backend.setConnected?.(one, false)
    await assert.rejects(one.put(key, '2'), { name: 'SdError', retryable: true })
    await assert.rejects(one.delete(key), { name: 'SdError', retryable: true })
    await untilLoaded(other, [[key, '1']])
    await backend.setConnected?.(one, true)
    await untilLoaded(one, [[key, '1']])
    await one.put(key, '3')
    await untilLoaded(other, [[key, '3']])
  },
}

/** Provides each case with two writers. */
function bindWriters(all: Readonly<Record<string, CaseBody<WriteContext>>>): Readonly<Record<string, CaseBody<ConfigContext>>> {
  return Object.fromEntries(
    Object.entries(all).map(([name, body]) => [
      name,
      async (context) => {
        const [one, other] = [await context.open(), await context.open()]
        await body({ ...context, one: one as WritableConfigSource, other: other as WritableConfigSource })
      },
    ]),
  )
}

/** Cases for sources that write. */
export const configWriteCases: Readonly<Record<string, CaseBody<ConfigContext>>> = bindWriters(cases)

/** Cases for sources whose backend checks the revision itself. */
export const conditionalWriteCases: Readonly<Record<string, CaseBody<ConfigContext>>> = bindWriters(conditionalCases)

/** Cases for sources whose connection can be cut. */
export const writeOutageCases: Readonly<Record<string, CaseBody<ConfigContext>>> = bindWriters(outageCases)
