import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { ProcessEvent } from '../index.ts'

/** A reader of a stream of events. */
export interface EventReader {
  /** Status of the response. */
  readonly status: number
  /** The events so far. */
  readonly events: readonly ProcessEvent[]
  /** Settles when the stream has ended. */
  readonly ended: Promise<void>
  /** Stops and resumes reading from the socket. */
  readonly response: IncomingMessage
  /** Closes the connection. */
  close(): void
}

/** Follows the events of an endpoint. */
export function followEvents(origin: string, headers: Readonly<Record<string, string>> = {}): Promise<EventReader> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${origin}/sd/v1/events`, { agent: false, headers }, (response) => {
      const events: ProcessEvent[] = []
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        const blocks = text.split('\n\n')
        text = blocks.pop() as string
        for (const block of blocks) {
          const [, id, data] = /^id: (\d+)\ndata: (.*)$/.exec(block) ?? []
          if (data === undefined) continue
          const event = JSON.parse(data) as ProcessEvent
          if (String(event.id) !== id) throw new Error(`id ${id} is not ${event.id}`)
          events.push(event)
        }
      })
      const ended = new Promise<void>((end) => response.on('close', end))
      response.on('error', () => undefined)
      resolve({ status: response.statusCode ?? 0, events, ended, response, close: () => request.destroy() })
    })
    request.on('error', reject)
    request.end()
  })
}
