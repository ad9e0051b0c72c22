import { toSdError } from '@sd/core'
import { ResponseBody } from './response-body.ts'

/** Options of {@link pumpBody}. */
interface PumpOptions {
  /** Name of the service, for errors. */
  readonly service: string
  /** Whether no more chunks are needed. */
  isOver(): boolean
}

/** The body of a response that an interceptor or a fallback created, read at the consumer's pace. */
export function pumpBody(chunks: AsyncIterable<Uint8Array>, { service, isOver }: PumpOptions): ResponseBody {
  let wake: (() => void) | undefined
  const body = new ResponseBody({ resume: () => wake?.(), cancel() {} })
  const pump = async (): Promise<void> => {
    try {
      for await (const chunk of chunks) {
        if (isOver()) return
        if (body.push(chunk)) continue
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      body.end()
    } catch (error) {
      body.fail(toSdError(error, 'SD_UNAVAILABLE', `Calling ${service}`))
    }
  }
  void pump()
  return body
}
