import { SdError, type SdErrorCode, toSdError } from '@sd/core'
import { Exception } from 'node-zookeeper-client'

const meanings: Readonly<Record<number, readonly [SdErrorCode, string]>> = {
  [Exception.NO_AUTH]: ['SD_DENIED', 'refused: these credentials lack the permission'],
  [Exception.AUTH_FAILED]: ['SD_DENIED', 'refused the credentials'],
  [Exception.INVALID_ACL]: ['SD_DENIED', 'refused the access list'],
  [Exception.NOT_EMPTY]: ['SD_CONFLICT', 'contains a folder instead of the node to replace or remove'],
  [Exception.NO_CHILDREN_FOR_EPHEMERALS]: ['SD_CONFLICT', 'contains an ephemeral node instead of a folder'],
}

/** Returns the code of an error of the library, or `undefined` for other errors. */
export function codeOf(caught: unknown): number | undefined {
  return caught instanceof Exception ? (caught as { code: number }).code : undefined
}

/** Whether the server refused a call because of missing permissions for the node. */
export function isDenied(caught: unknown): boolean {
  return codeOf(caught) === Exception.NO_AUTH
}

/** Requirements of a call. */
export interface Need {
  /** Permission that the node's access list must grant. */
  readonly permission: string
  /** The node. */
  readonly path: string
}

const needs = new WeakMap<Error, Need>()

/** Records the requirements of the call that an error refused. */
export function noteNeed(caught: unknown, need: Need): void {
  if (caught instanceof Error) needs.set(caught, need)
}

/** Converts an error of the library. For a refusal the message names the missing permission and its node. */
export function toZooKeeperError(caught: unknown, name: string): SdError {
  if (caught instanceof SdError) return caught
  const [code, meaning] = meanings[codeOf(caught) ?? 0] ?? ['SD_UNAVAILABLE', "is unreachable or can't serve the request"]
  const need = isDenied(caught) ? needs.get(caught as Error) : undefined
  const error = toSdError(caught, code, `${name} ${meaning}`)
  if (!need) return error
  const way = `grant their identity "${need.permission}" on ${need.path} with setAcl, as an identity that has "admin" there`
  return new SdError(code, `${error.message} (${way})`, { cause: caught })
}
