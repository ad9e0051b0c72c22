import { SdError, type SdErrorCode, toSdError } from '@sd/core'
import { Exception } from 'node-zookeeper-client'

const meanings: Readonly<Record<number, readonly [SdErrorCode, string]>> = {
  [Exception.NO_AUTH]: ['SD_DENIED', 'refused: these credentials may not do this'],
  [Exception.AUTH_FAILED]: ['SD_DENIED', 'refused the credentials'],
  [Exception.INVALID_ACL]: ['SD_DENIED', 'refused the access list'],
  [Exception.NOT_EMPTY]: ['SD_CONFLICT', 'holds a folder where a node should be replaced or removed'],
  [Exception.NO_CHILDREN_FOR_EPHEMERALS]: ['SD_CONFLICT', 'holds an ephemeral node where a folder should be'],
}

/** The code of the library's error; `undefined` for any other. */
export function codeOf(caught: unknown): number | undefined {
  return caught instanceof Exception ? (caught as { code: number }).code : undefined
}

/** Whether the server refused it for want of rights to the node. */
export function isDenied(caught: unknown): boolean {
  return codeOf(caught) === Exception.NO_AUTH
}

/** What an error of the library means. */
export function explain(caught: unknown, name: string): SdError {
  if (SdError.isInstance(caught)) return caught
  const [code, meaning] = meanings[codeOf(caught) ?? 0] ?? ['SD_UNAVAILABLE', "can't be reached or can't serve"]
  return toSdError(caught, code, `${name} ${meaning}`)
}
