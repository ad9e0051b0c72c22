import { SdError, type SdErrorCode, toSdError } from '@sd/core'

const codes: Readonly<Record<number, SdErrorCode>> = {
  400: 'SD_INVALID',
  401: 'SD_DENIED',
  403: 'SD_DENIED',
  404: 'SD_NOT_FOUND',
  405: 'SD_UNSUPPORTED',
  409: 'SD_CONFLICT',
  413: 'SD_TOO_LARGE',
}

/** Texts of answers whose status says less, such as 500 for everything. */
const texts: readonly (readonly [RegExp, SdErrorCode])[] = [
  [/permission denied|acl not found/i, 'SD_DENIED'],
  [/unknown (?:check|service)|does not have associated ttl/i, 'SD_NOT_FOUND'],
  [/invalid session ttl/i, 'SD_INVALID'],
]

const answers = new WeakSet<SdError>()

/** Whether an error of {@link explain} is what an agent has answered, rather than its silence. */
export function isAnswer(error: SdError): boolean {
  return answers.has(error)
}

interface LibraryError {
  response?: { readonly statusCode?: number; readonly body?: unknown }
}

/** What an error of the library means. Its own message holds the operation and the agent's text, never the token. */
export function explain(caught: unknown, name: string): SdError {
  if (SdError.isInstance(caught)) return caught
  const { response } = caught as LibraryError
  if (response?.statusCode === undefined) return toSdError(caught, 'SD_UNAVAILABLE', `${name} can't be reached`)
  const { body = '' } = response
  const text = (typeof body === 'string' ? body : JSON.stringify(body)).slice(0, 500)
  // The response holds the request, and that the token: it must not travel as part of a cause.
  ;(caught as LibraryError).response = { statusCode: response.statusCode }
  const code = texts.find(([pattern]) => pattern.test(text))?.[1] ?? codes[response.statusCode] ?? 'SD_UNAVAILABLE'
  const error = toSdError(caught, code, code === 'SD_DENIED' ? `${name} refused` : `${name} answered ${response.statusCode}`)
  answers.add(error)
  return error
}

/** What a call gives, or `undefined` if what it asks for does not exist. */
export async function unlessMissing<T>(call: Promise<T>, name: string): Promise<T | undefined> {
  try {
    return await call
  } catch (caught) {
    const error = explain(caught, name)
    if (error.code === 'SD_NOT_FOUND') return undefined
    throw error
  }
}
