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

/** What a call needs. */
export interface Need {
  /** Permission in the access list of the node. */
  readonly permission: string
  /** The node. */
  readonly path: string
}

const needs = new WeakMap<Error, Need>()

/** Remembers what the call needed that an error refused. */
export function noteNeed(caught: unknown, need: Need): void {
  if (caught instanceof Error) needs.set(caught, need)
}

/** What an error of the library means, and for a refusal which permission of which node is missing. */
export function toZooKeeperError(caught: unknown, name: string): SdError {
  if (caught instanceof SdError) return caught
  const [code, meaning] = meanings[codeOf(caught) ?? 0] ?? ['SD_UNAVAILABLE', "can't be reached or can't serve"]
  const need = isDenied(caught) ? needs.get(caught as Error) : undefined
  const error = toSdError(caught, code, `${name} ${meaning}`)
  if (!need) return error
  const way = `give their identity "${need.permission}" on ${need.path} with setAcl, as one that has "admin" there`
  return new SdError(code, `${error.message} (${way})`, { cause: caught })
}
