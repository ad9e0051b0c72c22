import { randomBytes } from 'node:crypto'

const batchBytes = 4_096
let batch = ''
let next = 0

/** A random id of 32 hexadecimal digits. Bytes are read in batches: one call of the system for many requests. */
export function createRequestId(): string {
  if (next + 32 > batch.length) {
    batch = randomBytes(batchBytes).toString('hex')
    next = 0
  }
  const id = batch.slice(next, next + 32)
  next += 32
  return id
}

/** Whether the id of a trusted proxy can be kept: it appears in logs. */
export function isRequestId(id: string): boolean {
  return /^[\w.:/+=@-]{1,128}$/.test(id)
}
