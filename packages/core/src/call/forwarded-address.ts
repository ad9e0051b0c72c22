import type { PickRequest } from '../balancing/balancer.ts'
import { readIpAddress } from '../instance/ip-address.ts'
import { checkInteger, checkKnownKeys, checkName } from '../validate.ts'
import type { CallContext } from './call.ts'

/** The part of a call that a picker sees. The client passes the whole call; direct picks pass the fields that they have. */
export type CallPickRequest = PickRequest & Partial<Pick<CallContext, 'service' | 'method' | 'path' | 'headers'>>

/** Options of {@link forwardedAddress}. */
export interface ForwardedAddressOptions {
  /** Header field that lists the addresses, the nearest last. @default 'x-forwarded-for' */
  readonly header?: string
  /**
   * Number of addresses at the end of the list that belong to your own proxies. The address before them is the client's.
   * Addresses further left may be forged by the client. @default 0
   */
  readonly trustedProxies?: number
}

/**
 * Returns a function that reads the address of the original client from a header field such as `x-forwarded-for`. The
 * address is normalised and without the port that some proxies add, see {@link readIpAddress}. It is `undefined` if there
 * is none.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function forwardedAddress(options: ForwardedAddressOptions = {}): (request: CallPickRequest) => string | undefined {
  checkKnownKeys('', options, ['header', 'trustedProxies'])
  const field = checkName('header', options.header ?? 'x-forwarded-for').toLowerCase()
  const trustedProxies = checkInteger('trustedProxies', options.trustedProxies ?? 0, { min: 0, max: 100 })
  return ({ headers }) => readIpAddress(headers?.[field]?.split(',').at(-1 - trustedProxies) ?? '')
}
