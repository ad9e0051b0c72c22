import { SdError } from '@sd/core'

/** Writes what happens to the gateway, one JSON object per line. */
export interface EventLog {
  /** An expected event. */
  info(event: string, fields?: object): void
  /** A failure. */
  error(event: string, error: unknown, fields?: object): void
}

/** Creates a log. @param write receives each line @param common fields of every line */
export function createEventLog(write: (line: string) => void, common: object = {}): EventLog {
  function line(level: string, event: string, fields: object): void {
    write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...common, ...fields })}\n`)
  }
  return {
    info: (event, fields = {}) => line('info', event, fields),
    error(event, error, fields = {}) {
      const { code, message } = error instanceof SdError ? error : { code: undefined, message: String(error) }
      line('error', event, { ...fields, ...(code && { code }), message })
    },
  }
}
