import type { PickRequest } from '../balancing/balancer.ts'
import { readIpAddress } from '../instance/ip-address.ts'
import { checkInteger, checkKnownKeys, checkName } from '../validate.ts'
import type { CallContext } from './call.ts'

/** What a picker sees of a call. The client passes its whole call; a bare pick passes what it has. */
export type CallPickRequest = PickRequest & Partial<Pick<CallContext, 'service' | 'method' | 'path' | 'headers'>>

/** Options of {@link forwardedAddress}. */
export interface ForwardedAddressOptions {
  /** Header field that lists the addresses, the nearest last. @default 'x-forwarded-for' */
  readonly header?: string
  /**
   * How many addresses at the end of the list are those of your own proxies. The one before them is the client's; what is further
   * left may be made up by the client. @default 0
   */
  readonly trustedProxies?: number
}

/**
 * The address of the client on whose behalf a call is made, from a header field such as `x-forwarded-for`: in one spelling, without the port that
 * some proxies add, see {@link readIpAddress}. `undefined` where there is none.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function forwardedAddress(options: ForwardedAddressOptions = {}): (request: CallPickRequest) => string | undefined {
  checkKnownKeys('', options, ['header', 'trustedProxies'])
  const field = checkName('header', options.header ?? 'x-forwarded-for').toLowerCase()
  const trustedProxies = checkInteger('trustedProxies', options.trustedProxies ?? 0, { min: 0, max: 100 })
  return ({ headers }) => readIpAddress(headers?.[field]?.split(',').at(-1 - trustedProxies) ?? '')
}
