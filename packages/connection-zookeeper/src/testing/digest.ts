import { createHash } from 'node:crypto'

/** How ZooKeeper names a user of the digest scheme. */
export function digestOf(user: string, password: string): string {
  return `${user}:${createHash('sha1').update(`${user}:${password}`).digest('base64')}`
}
