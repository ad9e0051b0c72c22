import assert from 'node:assert/strict'
import type { ConfigEntry, WritableConfigSource } from '@sd/core'
import { assertTexts, type ConfigContext, entryOf } from './config-source-harness.ts'
import type { CaseBody } from './contract.ts'
import { configSamples } from './samples.ts'
import { probeWatch } from './waiting.ts'

/** What a case works with where the source writes: two of them, on one backend. */
interface WriteContext extends ConfigContext {
  readonly one: WritableConfigSource
  readonly other: WritableConfigSource
}

const conflict = { name: 'SdError', code: 'SD_CONFLICT', retryable: false }

/** What a writer and a reader must agree on. */
function essence({ key, content, format, revision, author, comment }: ConfigEntry): object {
  return { key, content, format, revision, author, comment }
}

/** Writing. */
const cases: Readonly<Record<string, CaseBody<WriteContext>>> = {
  'what one writes and removes the others see': async ({ one, other, keys: [first, second], untilLoaded, eventuallyMs }) => {
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

  'writing returns the entry as others read it': async ({ one, other, keys: [key], untilLoaded }) => {
    for (const content of ['1', '2']) {
      const written = await one.put(key, content)
      const document = await untilLoaded(other, [[key, content]])
      assert.deepEqual(essence(written), essence(document.entries[0] as ConfigEntry))
    }
  },

  'what is written comes back byte for byte': async ({ one, other, keys: [key], largestBytes, cannotHold, untilLoaded }) => {
    const samples = Object.entries(configSamples).filter(([name]) => !cannotHold.some((sample) => sample === name))
    for (const content of [...samples.map(([, text]) => text), 'x'.repeat(largestBytes)]) {
      await one.put(key, content)
      await untilLoaded(other, [[key, content]])
    }
  },

  'what the backend can not hold is refused': async ({ one, keys: [key], largestBytes, cannotHold, untilLoaded }) => {
    await one.put(key, 'kept')
    await assert.rejects(one.put(key, 'x'.repeat(largestBytes + 1)), { code: 'SD_TOO_LARGE' })
    for (const sample of cannotHold) {
      await assert.rejects(one.put(key, configSamples[sample]), { code: 'SD_INVALID', field: 'content' }, sample)
    }
    await untilLoaded(one, [[key, 'kept']])
  },

  'a key that no configuration can have is refused': async ({ one, keys: [key], untilLoaded }) => {
    await one.put(key, 'kept')
    for (const wrong of ['__proto__', `__proto__/${key}`, `${key}/__proto__`, '', '/a', 'a/', 'a//b', '../a', '.']) {
      await assert.rejects(one.put(wrong, 'x'), { code: 'SD_INVALID', field: 'key' }, wrong)
    }
    await untilLoaded(one, [[key, 'kept']])
  },

  'a revision decides who may write': async ({ one, other, keys: [key], untilLoaded }) => {
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

  'author and comment survive where they are kept': async ({ one, other, keys: [key], untilLoaded }) => {
    const told = { author: 'Zoë <zoe@example.com>', comment: 'größer: "100 %"\n+1 🦄' }
    const kept = one.capabilities.annotations ? told : { author: undefined, comment: undefined }
    const written = await one.put(key, '1', told)
    const { author, comment } = (await untilLoaded(other, [[key, '1']])).entries[0] as ConfigEntry
    assert.deepEqual({ author, comment }, kept)
    assert.deepEqual({ author: written.author, comment: written.comment }, kept)
    await other.put(key, '2')
    const [next] = (await untilLoaded(one, [[key, '2']])).entries
    assert.deepEqual([next?.author, next?.comment], [undefined, undefined], 'they are not put into the mouth of the next writer')
  },

  'bad input is refused with the name of the field, and nothing is sent': async ({ one, keys: [key], untilLoaded }) => {
    const refused = (field: string): object => ({ name: 'SdError', code: 'SD_INVALID', field })
    for (const bad of ['', '/a', 'a/', 'a//b', 'a/../b', './a', '\ud800', 'x'.repeat(256), 1]) {
      await assert.rejects(one.put(bad as string, 'x'), refused('key'), `the key ${JSON.stringify(bad)}`)
      await assert.rejects(one.delete(bad as string), refused('key'), `the key ${JSON.stringify(bad)}`)
    }
    for (const bad of [undefined, 1, Buffer.from('x'), 'secret \ud800']) {
      await assert.rejects(one.put(key, bad as string), (error: Error) => {
        assert.partialDeepStrictEqual({ ...error }, { code: 'SD_INVALID', field: 'content' })
        assert.ok(!error.message.includes('secret'), 'what may be secret is not shown')
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

/** Writing that depends on what was there. */
const conditionalCases: Readonly<Record<string, CaseBody<WriteContext>>> = {
  'of ten concurrent writers with one revision exactly one wins': async ({ one, other, keys: [key], untilLoaded }) => {
    let ifRevision: string | null = null
    for (let round = 0; round < 5; round++) {
      const outcomes: readonly PromiseSettledResult<ConfigEntry>[] = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? one : other).put(key, `${round}-${index}`, { ifRevision })),
      )
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value)
      const lost = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason.code)
      assert.equal(won.length, 1, `${won.length} of ten have won`)
      assert.deepEqual(lost, Array(9).fill('SD_CONFLICT'))
      const [winner] = won as [ConfigEntry]
      await untilLoaded(one, [[key, winner.content]])
      ifRevision = winner.revision
    }
  },
}

/** Writing while there is no way. */
const outageCases: Readonly<Record<string, CaseBody<WriteContext>>> = {
  'writing in an outage rejects and may be tried again': async ({ one, other, backend, keys: [key], untilLoaded }) => {
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

/** Gives each case its two writers. */
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

/** For sources that write. */
export const configWriteCases: Readonly<Record<string, CaseBody<ConfigContext>>> = bindWriters(cases)

/** For those whose backend judges the revision itself. */
export const conditionalWriteCases: Readonly<Record<string, CaseBody<ConfigContext>>> = bindWriters(conditionalCases)

/** For those whose way to the backend can be cut. */
export const writeOutageCases: Readonly<Record<string, CaseBody<ConfigContext>>> = bindWriters(outageCases)
