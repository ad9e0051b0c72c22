import { toSdError } from '@sd/core'
import { ResponseBody } from './response-body.ts'

/** What is pumped. */
interface PumpOptions {
  /** Name of the service, for what fails. */
  readonly service: string
  /** Whether nothing more is wanted. */
  isOver(): boolean
}

/** The body of a response that an interceptor or a fallback made, read as fast as it is taken. */
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
