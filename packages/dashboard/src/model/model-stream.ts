import type { IncomingMessage, ServerResponse } from 'node:http'
import { guardListener } from '@sd/core'
import type { FleetModel } from '@sd/fleet'
import type { DashboardFleet } from '../fleet-interface.ts'
import { Refusal, SECURITY_HEADERS } from '../http/exchange.ts'
import { createModelWriter } from './model-diff.ts'

/** Pages that follow the model at once. */
const maxStreams = 64
/** Bytes that wait for a slow page. It is disconnected beyond that, and begins again with the whole model. */
const maxWaiting = 8 * 1_024 * 1_024
/** Time between two signs of life, in milliseconds. A page that misses three of them reports that the server is unreachable. */
const beatMs = 5_000
/** How long the fleet is followed after the last page left, in milliseconds. */
const lingerMs = 30_000
/** Time before the fleet is followed again after an error, in milliseconds. */
const restartMs = 1_000

/** Sends models to pages. The fleet is followed only while there are pages, once for all of them. */
export interface ModelStream {
  /** Keeps a response open and sends it the model, and each change. `isAllowed` is asked again with each sign of life. */
  attach(request: IncomingMessage, response: ServerResponse, isAllowed: () => boolean): void
  /** The current model as JSON and its time, for pages that poll. */
  poll(): { readonly at: number; readonly json: string }
  /** Ends the responses of users that no longer have access. */
  review(): void
  /** Ends all responses and stops following. */
  close(): void
}

/** @param onError receives errors of the fleet */
export function createModelStream(fleet: DashboardFleet, onError: (error: unknown) => void): ModelStream {
  const report = guardListener('onError', onError)
  const streams = new Map<ServerResponse, () => boolean>()
  const writer = createModelWriter()
  let latest: FleetModel | undefined
  let following: AbortController | undefined
  let lastUse = 0
  let isClosed = false
  let beat: NodeJS.Timeout | undefined

  function take(model: FleetModel): void {
    // A watch begins with the model that is known already.
    if (model === latest) return
    latest = model
    const message = writer.take(model)
    for (const response of streams.keys()) write(response, `data: ${message}\n\n`)
  }

  function wholeMessage(): string {
    return `data: {"kind":"whole","model":${writer.model()}}\n\n`
  }

  function write(response: ServerResponse, text: string): void {
    if (response.writableLength > maxWaiting) drop(response)
    else response.write(text)
  }

  function drop(response: ServerResponse): void {
    streams.delete(response)
    response.destroy()
  }

  function use(): void {
    lastUse = performance.now()
    if (following || isClosed) return
    take(fleet.model)
    following = new AbortController()
    void follow(fleet, following.signal, take, report)
    beat = setInterval(tick, beatMs)
    beat.unref()
  }

  function review(): void {
    for (const [response, isAllowed] of streams) {
      if (isAllowed()) continue
      streams.delete(response)
      response.end()
    }
  }

  function tick(): void {
    review()
    for (const response of streams.keys()) write(response, 'event: beat\ndata: 0\n\n')
    if (streams.size > 0) lastUse = performance.now()
    else if (performance.now() - lastUse > lingerMs) stop()
  }

  function stop(): void {
    clearInterval(beat)
    following?.abort()
    following = undefined
  }

  return {
    attach(request, response, isAllowed) {
      if (isClosed || streams.size >= maxStreams) throw new Refusal(503, `${maxStreams} pages are open`, { 'retry-after': '5' })
      use()
      response.writeHead(200, {
        ...SECURITY_HEADERS,
        'content-type': 'text/event-stream',
        // Proxies such as nginx must not collect the messages.
        'x-accel-buffering': 'no',
      })
      response.write(`retry: 2000\n\n${wholeMessage()}`)
      streams.set(response, isAllowed)
      const forget = (): void => void streams.delete(response)
      request.once('close', forget)
      response.once('close', forget).once('error', forget)
    },
    poll() {
      use()
      return { at: writer.at, json: writer.model() }
    },
    review,
    close() {
      isClosed = true
      stop()
      for (const response of streams.keys()) response.end()
      streams.clear()
    },
  }
}

/** Takes each model of a fleet, and begins again after an error, until the signal is aborted. */
async function follow(
  fleet: DashboardFleet,
  signal: AbortSignal,
  take: (model: FleetModel) => void,
  report: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const model of fleet.watch({ signal })) take(model)
    } catch (error) {
      if (!signal.aborted) report(error)
    }
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, restartMs).unref())
  }
}
