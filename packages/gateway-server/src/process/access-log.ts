import { createAccessLog as logExchanges, type ServiceLogger } from '@sd/logging'

/** Lines are collected for this long, in milliseconds, because a write to a pipe is a system call that blocks. */
const flushMs = 50
const maxCharacters = 32_768

/** A log of requests. */
export interface AccessLog {
  /** Writes what is left, and stops. Idempotent. */
  close(): void
}

/** Writes each request that the gateways of this process have handled as a line of JSON. @param write receives one or more lines */
export function createAccessLog(write: (lines: string) => void, common: object = {}): AccessLog {
  let pending = ''
  let timer: ReturnType<typeof setTimeout> | undefined

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (pending === '') return
    const lines = pending
    pending = ''
    write(lines)
  }
  const logger: ServiceLogger = {
    log(level, message, fields) {
      pending += `${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields, ...common })}\n`
      if (pending.length >= maxCharacters) flush()
      else timer ??= setTimeout(flush, flushMs)
    },
  }
  const log = logExchanges({ logger })
  return {
    close() {
      log.close()
      flush()
    },
  }
}
