import type { WireError } from '@sd/core'
import type { ChangeRequest, SessionAnswer } from '../../src/protocol.ts'

/** An answer with an error status. */
export class AnswerError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Reads JSON from the server. The address is relative, so that the page works below any path. */
export async function get<Answer>(path: string, query: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const text = new URLSearchParams(query).toString()
  return (await request(`./api/${path}${text === '' ? '' : `?${text}`}`, {})) as Answer
}

/** Sends JSON to the server, with what proves that this page did it. */
export async function post<Answer>(path: string, body: object): Promise<Answer> {
  return (await request(`./api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sd-console': '1' },
    body: JSON.stringify(body),
  })) as Answer
}

/** Makes a change. */
export function change(wanted: ChangeRequest): Promise<unknown> {
  return post('changes', wanted)
}

/** Reads the user and what the page may offer. */
export function readSession(): Promise<SessionAnswer> {
  return get('session')
}

async function request(path: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(15_000) })
  const body: unknown = await response.json().catch(() => undefined)
  if (response.ok) return body
  const { code = `HTTP ${response.status}`, message = 'The server gave no reason' } =
    (body as { readonly error?: Partial<WireError> } | undefined)?.error ?? {}
  throw new AnswerError(response.status, code, message)
}
