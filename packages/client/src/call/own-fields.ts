import { randomUUID } from 'node:crypto'
import { IDEMPOTENCY_HEADER, IDEMPOTENT_METHODS, PRIORITY_HEADER } from '@sd/core'
import type { CallInit } from './call-init.ts'

/** Adds the header fields that settings and options of the call ask for. */
export function addOwnFields(
  call: { readonly headers: Record<string, string> },
  { priority, idempotent, method, entry }: CallInit,
): void {
  if (priority) call.headers[PRIORITY_HEADER] = priority
  if (!(idempotent ?? entry.settings.idempotent) || IDEMPOTENT_METHODS.has(method)) return
  if (!call.headers[IDEMPOTENCY_HEADER]?.trim()) call.headers[IDEMPOTENCY_HEADER] = randomUUID()
}
