import { DEADLINE_HEADER } from '@sd/core'
import type { CallFrame } from '../call/call-frame.ts'
import type { TransportRequest } from '../transport/transport.ts'

/** The attempt that a request is part of. */
export interface RequestOwner {
  readonly call: CallFrame
  readonly headers: Record<string, string>
  /** The header fields by name, if they were accessed. */
  readonly changedHeaders: Record<string, string> | undefined
}

/** The request for a transport, with the remaining time of the call. */
export function toTransportRequest(owner: RequestOwner, now: number, isPushed: boolean): TransportRequest {
  const { call } = owner
  const { method, path, request, forward, deadlineAt } = call
  const { body } = request
  const serverName = call.entry.settings.serverName || undefined
  if (!forward) {
    const { headers } = owner
    if (deadlineAt !== Number.POSITIVE_INFINITY) headers[DEADLINE_HEADER] = String(leftMs(deadlineAt, now))
    return { method, path, headers, body, serverName }
  }
  const sendsDeadline = forward.sendsDeadline && deadlineAt !== Number.POSITIVE_INFINITY
  const rawHeaders = forward.raw.withChanges(
    owner.changedHeaders,
    sendsDeadline ? forward.deadlineFields(leftMs(deadlineAt, now)) : undefined,
  )
  return { method, path, headers: noHeaders, rawHeaders, body, pushed: isPushed, upgrade: forward.upgrade, serverName }
}

const noHeaders: Record<string, string> = Object.freeze({})

function leftMs(deadlineAt: number, now: number): number {
  return Math.max(1, Math.floor(deadlineAt - now))
}
