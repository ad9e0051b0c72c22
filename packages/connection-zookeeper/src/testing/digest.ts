import { createHash } from 'node:crypto'

/** Returns the id of a user in the digest scheme. */
export function digestOf(user: string, password: string): string {
  return `${user}:${createHash('sha1').update(`${user}:${password}`).digest('base64')}`
}
