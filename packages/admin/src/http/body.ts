import type { IncomingMessage } from 'node:http'
import { checkObject, SdError, withTimeout } from '@sd/core'
import { AnswerError } from './responses.ts'

/** Largest body of a change: an entry of a configuration with its escapes. */
const maxBytes = 2_097_152
const readLimitMs = 10_000

/** Header field that no page of another site can send without asking first. */
const consoleHeader = 'x-sd-console'

/**
 * Refuses what a page of another site can make a browser send: such requests have no header of their own, and can't be JSON.
 *
 * @throws AnswerError 403 or 415
 */
export function checkSameSite({ headers }: IncomingMessage): void {
  const { origin, host, 'content-type': type = '', 'sec-fetch-site': site } = headers
  if (!/^application\/json(?:\s*;|$)/i.test(type)) {
    throw new AnswerError(
      415,
      new SdError('SD_INVALID', `Invalid content-type: want application/json`, { field: 'content-type' }),
    )
  }
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none'
  if (isForeign || (origin !== undefined && URL.parse(origin)?.host !== host) || headers[consoleHeader] !== '1') {
    throw new AnswerError(403, new SdError('SD_DENIED', `A change needs the header ${consoleHeader}: 1 and the same origin`))
  }
}

/** Reads the JSON object of a change. @throws SdError `SD_INVALID`; AnswerError 408 or 413 */
export async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  // A framework with a body parser has read it already.
  const { body } = request as { readonly body?: unknown }
  if (body !== undefined) return checkObject('body', body)
  const text = await withTimeout({ timeoutMs: readLimitMs, what: 'Reading the body' }, () => readText(request)).catch(
    (error: SdError) => {
      // The rest of the body is not read, so the connection can't be used again.
      throw new AnswerError(error.code === 'SD_TOO_LARGE' ? 413 : 408, error, { connection: 'close' })
    },
  )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The message of the parser quotes the body, which may hold secrets.
    throw new SdError('SD_INVALID', 'Invalid body: want JSON', { field: 'body' })
  }
  return checkObject('body', value)
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // Destroying the request would take the response with it.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new SdError('SD_TOO_LARGE', `The body has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
