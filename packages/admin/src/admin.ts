import type { IncomingMessage, ServerResponse } from 'node:http'
import { closedError } from '@sd/core'
import { createEventStreams } from './http/event-stream.ts'
import { createGuard } from './http/guard.ts'
import { sendError } from './http/responses.ts'
import { route } from './http/router.ts'
import { type AdminOptions, resolveAdminOptions } from './options.ts'
import { ADMIN_PATH } from './protocol.ts'
import { createRecorder } from './record/recorder.ts'

/** The admin endpoint of a process, to be mounted in a server. */
export interface Admin extends Disposable {
  /**
   * Answers requests below `/sd/v1`. Fits `node:http`, Express, Fastify and Nest.
   *
   * @returns whether it was one; otherwise the request is untouched
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Stops counting, and ends the streams of events. Idempotent. */
  close(): void
}

/**
 * Creates the admin endpoint of this process, and begins to count its calls.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createAdmin(options: AdminOptions): Admin {
  const resolved = resolveAdminOptions(options)
  const guard = createGuard(resolved)
  const recorder = createRecorder(resolved.historyMs)
  const streams = createEventStreams(recorder.journal)
  let isClosed = false

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const principal = await guard.admit(request)
      if (isClosed) throw closedError('The admin endpoint')
      await route({ options: resolved, recorder, streams }, request, response, principal)
    } catch (error) {
      await sendError(request, response, error)
    }
  }
  function close(): void {
    isClosed = true
    streams.close()
    recorder.close()
  }
  return {
    handler(request, response) {
      const path = request.url?.split('?', 1)[0] ?? ''
      if (path !== ADMIN_PATH && !path.startsWith(`${ADMIN_PATH}/`)) return false
      // A failure to send, such as a response whose head other code has sent, must not end the process.
      answer(request, response).catch(() => response.destroy())
      return true
    },
    close,
    [Symbol.dispose]: close,
  }
}
