import assert from 'node:assert/strict'
import { assertTexts, type ConfigContext } from './config-source-harness.ts'
import type { CaseBody } from './contract.ts'
import { countResources } from './resources.ts'
import { eventually, probeWatch, within } from './waiting.ts'

/** Context of a case with a connection that can be cut. */
interface OutageContext extends ConfigContext {
  readonly setConnected: NonNullable<ConfigContext['backend']['setConnected']>
}

/** A second for the watches, a second for the backend, and a margin for a busy machine. */
const closeLimitMs = 5_000

/** Cases during and after an outage. */
const cases: Readonly<Record<string, CaseBody<OutageContext>>> = {
  'an outage is an error or a stale watch, never an empty document': async (context) => {
    const {
      open,
      backend,
      setConnected,
      keys: [key],
      eventuallyMs,
    } = context
    const source = await open()
    await backend.write(key, '1')
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, [[key, '1']]))
    const { length } = probe.seen
    await setConnected(source, false)
    await probe.untilStale(true)
    const loading = within(source.load(), eventuallyMs, 'load() in an outage')
    await assert.rejects(loading, { name: 'SdError', retryable: true })
    await eventually(() => assert.equal(source.state, 'disconnected'), eventuallyMs)
    await setConnected(source, true)
    await probe.untilStale(false)
    for (const { value } of probe.seen.slice(length)) {
      assert(value, 'a stale watch keeps its value')
      assertTexts(value, [[key, '1']])
    }
    await context.untilLoaded(source, [[key, '1']])
    await eventually(() => assert.equal(source.state, 'connected'), eventuallyMs)
    await probe.stop()
  },

  'after an outage the document matches the backend': async (context) => {
    const {
      open,
      backend,
      setConnected,
      keys: [first, second],
      eventuallyMs,
    } = context
    const source = await open()
    await backend.write(first, '1')
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, [[first, '1']]))
    await setConnected(source, false)
    await probe.untilStale(true)
    await backend.remove(first)
    await backend.write(second, '2')
    await setConnected(source, true)
    await probe.until((document) => assertTexts(document, [[second, '2']]))
    await probe.untilStale(false)
    await setConnected(source, false)
    await probe.untilStale(true)
    await backend.remove(second)
    await setConnected(source, true)
    await probe.until((document) => assertTexts(document, []))
    await probe.untilStale(false)
    await probe.stop()
  },

  'a start without the backend waits until it is reachable': async ({
    open,
    backend,
    setConnected,
    keys: [key],
    eventuallyMs,
  }) => {
    const source = await open()
    await setConnected(source, false)
    await backend.write(key, '1')
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.untilStale(true)
    assert.equal(probe.seen.at(-1)?.value, undefined, 'there is no value yet')
    await assert.rejects(within(source.load(), eventuallyMs, 'load() in an outage'), { name: 'SdError', retryable: true })
    await setConnected(source, true)
    await probe.until((document) => assertTexts(document, [[key, '1']]))
    await probe.untilStale(false)
    await probe.stop()
  },

  'closing while the backend is unreachable is bounded in time': async ({ open, setConnected, eventuallyMs }) => {
    const source = await open()
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    await setConnected(source, false)
    const loading = assert.rejects(source.load())
    await within(source.close(), closeLimitMs, 'close()')
    await within(Promise.all([probe.ended, loading]), eventuallyMs, 'pending operations')
  },

  'nothing is left running after an outage and close': async ({ open, setConnected, eventuallyMs }) => {
    const before = countResources()
    const source = await open()
    const probe = probeWatch((options) => source.watch(options), eventuallyMs)
    await probe.until((document) => assertTexts(document, []))
    await setConnected(source, false)
    await probe.untilStale(true)
    await setConnected(source, true)
    await probe.untilStale(false)
    await source.close()
    await eventually(
      () => assert.ok(countResources() <= before, `left: ${process.getActiveResourcesInfo().join(', ')}`),
      eventuallyMs,
    )
  },
}

/** Cases for sources whose connection to the backend can be cut. */
export const configOutageCases: Readonly<Record<string, CaseBody<ConfigContext>>> = Object.fromEntries(
  Object.entries(cases).map(([name, body]) => [
    name,
    async (context) => {
      const { backend } = context
      const setConnected = backend.setConnected?.bind(backend) ?? assert.fail('the backend lacks setConnected')
      await body({ ...context, setConnected })
    },
  ]),
)
