import { randomInt } from 'node:crypto'
import type { Authentication } from './authentication.ts'
import { isSameSecret } from './same-secret.ts'

/** Validity of a code. */
const codeMs = 60_000
/** Shortest time between two codes. */
const renewMs = 5_000
/** Without letters and digits that look alike. */
const alphabet = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'
const codeLength = 10

/** Options of {@link createCodeAuthentication}. */
export interface CodeOptions {
  /** Shows a code to the person that started the server. */
  readonly show: (code: string) => void
  /** Current time, in Unix milliseconds. */
  readonly now: () => number
}

/**
 * Authentication with codes that are printed where the server runs. A code is valid for 60 s, and for one login: so what is left in
 * a terminal or a history opens nothing.
 *
 * The first code is shown by the first `renewCode`.
 */
export function createCodeAuthentication({ show, now }: CodeOptions): Authentication {
  let code: string | undefined
  let issuedAt = 0

  function renewCode(): void {
    if (code !== undefined && now() - issuedAt < renewMs) return
    code = Array.from({ length: codeLength }, () => alphabet[randomInt(alphabet.length)]).join('')
    issuedAt = now()
    show(code)
  }

  return {
    login: 'code',
    renewCode,
    enter({ secret }) {
      const given = secret.toUpperCase().replace(/[\s-]/g, '')
      const isValid = code !== undefined && now() - issuedAt < codeMs && isSameSecret(given, code)
      if (!isValid) return undefined
      code = undefined
      return { name: 'operator', canWrite: true }
    },
  }
}
