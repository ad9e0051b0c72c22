import type { FleetModel } from '@sd/fleet'
import type { ModelUpdate } from '../../src/protocol.ts'
import { AnswerError, get, readSession } from './api.ts'
import { createMerger } from './merge.ts'
import { model, session, setConnection, setModel, tick } from './state.ts'

/** A stream that sent nothing for this time is held back by a proxy, or its server is unreachable. In milliseconds. */
const silentMs = 15_000
/** The first message of a stream comes at once. */
const firstMs = 4_000
const pollMs = 5_000
/** Time after which a page that polls tries a stream again. */
const retryMs = 60_000

/**
 * Keeps the model current: by a stream, or by polling where a proxy holds the stream back. It goes on by itself after an outage.
 */
export function follow(): () => void {
  let merge = createMerger()
  let source: EventSource | undefined
  let heardAt = performance.now()
  let isOpen = false
  let polledAt = Number.NEGATIVE_INFINITY
  let streamedAt = performance.now()

  function open(): void {
    source?.close()
    merge = createMerger()
    isOpen = false
    streamedAt = heardAt = performance.now()
    source = new EventSource('./api/events')
    const hear = (): void => {
      heardAt = performance.now()
      isOpen = true
      setConnection('live')
    }
    source.addEventListener('message', ({ data }) => {
      const next = merge(JSON.parse(data as string) as ModelUpdate)
      hear()
      if (next) setModel(next)
    })
    source.addEventListener('beat', hear)
    source.addEventListener('error', () => {
      isOpen = false
      void poll()
    })
  }

  async function poll(): Promise<void> {
    if (performance.now() - polledAt < pollMs) return
    polledAt = performance.now()
    try {
      const next = await get<FleetModel>('model')
      if (isOpen) return
      setModel(next)
      setConnection('polling')
    } catch (error) {
      if (error instanceof AnswerError && error.status === 401) session.value = await readSession()
      else if (!isOpen) setConnection('stale')
    }
  }

  function check(): void {
    tick()
    const silent = performance.now() - heardAt
    if (isOpen ? silent > silentMs : silent > firstMs) {
      if (isOpen || source?.readyState === EventSource.CLOSED || performance.now() - streamedAt > retryMs) open()
      void poll()
    }
  }

  open()
  const timer = setInterval(check, 1_000)
  return () => {
    clearInterval(timer)
    source?.close()
    model.value = undefined
  }
}
