import { SdError, type SdErrorCode, toSdError } from '@sd/core'

// etcd's own identifiers of errors. Its clients compare exactly these texts (api/v3rpc/rpctypes/error.go); no other
// identifiers exist. Errors that are not listed are temporary: no leader, no space left, too many requests, timeouts.
const identifiers: Readonly<Record<string, SdErrorCode>> = {
  'etcdserver: permission denied': 'SD_DENIED',
  'etcdserver: user name is empty': 'SD_DENIED',
  'etcdserver: authentication failed, invalid user ID or password': 'SD_DENIED',
  'etcdserver: user name not found': 'SD_DENIED',
  'etcdserver: invalid auth token': 'SD_DENIED',
  'etcdserver: revision of auth store is old': 'SD_DENIED',
  'etcdserver: root user does not have root role': 'SD_DENIED',
  'etcdserver: request is too large': 'SD_TOO_LARGE',
  'etcdserver: key is not provided': 'SD_INVALID',
}

// gRPC's codes (https://grpc.io/docs/guides/status-codes/) for errors without an identifier. RESOURCE_EXHAUSTED is not
// included, because a full database and too many requests have it too.
const codes: Readonly<Record<number, SdErrorCode>> = { 7: 'SD_DENIED', 12: 'SD_UNSUPPORTED', 16: 'SD_DENIED' }

const ways: Readonly<Record<string, string>> = {
  'etcdserver: permission denied':
    'grant a role of this user "readwrite" on the prefix, with "etcdctl role grant-permission --prefix"',
  'etcdserver: user name is empty':
    'the cluster requires authentication: set credentials, or a client certificate whose CN is the user',
  'etcdserver: authentication failed, invalid user ID or password':
    'the user in credentials does not exist or the password is wrong: see "etcdctl user list"',
  'etcdserver: authentication is not enabled':
    'the cluster does not use authentication: remove credentials, or run "etcdctl auth enable"',
  'etcdserver: mvcc: database space exceeded': 'compact and defragment, raise --quota-backend-bytes, then "etcdctl alarm disarm"',
}

/**
 * Splits a message of the library, such as `7 PERMISSION_DENIED: etcdserver: permission denied`, into the gRPC code and
 * etcd's text.
 */
function readStatus(message: string): { readonly code: number | undefined; readonly details: string } {
  const found = /^(?:[A-Za-z]+: )?(\d{1,2}) [A-Z_]+: (.*)$/s.exec(message)
  return { code: found?.[1] === undefined ? undefined : Number(found[1]), details: found?.[2] ?? message }
}

/** Returns the gRPC code of an error of the library, or `undefined` for other errors. */
export function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'number' ? code : readStatus(error.message).code
}

/**
 * Converts an error of the library.
 *
 * @param owner name of the owner, for the message
 * @param prefix prefix of the owner's keys, for the message of a refusal
 */
export function toEtcdError(caught: unknown, owner: string, prefix?: string): SdError {
  if (caught instanceof SdError) return caught
  const message = caught instanceof Error ? caught.message : String(caught)
  const { code, details } = readStatus(message)
  const meaning = identifiers[details] ?? (code === undefined ? undefined : codes[code]) ?? 'SD_UNAVAILABLE'
  const way = ways[details]
  const hint = way === undefined ? '' : ` (${prefix === undefined ? way : way.replace('the prefix', `the prefix "${prefix}"`)})`
  if (meaning === 'SD_UNAVAILABLE') return toSdError(caught, meaning, `${owner} is unreachable or can't serve the request${hint}`)
  const what = meaning === 'SD_DENIED' ? `${owner} refused` : owner
  return new SdError(meaning, `${what}: ${message}${hint}`, { cause: caught })
}
