import type { Reason } from '../list.ts'

/** Files about other subjects. */
export const outOfScope: readonly Reason[] = [
  { file: /interim/, because: 'its client for 1xx responses also waits without end when it is connected to its own server' },
]

/** Tests that fail. Most of them ask whether a cache does something that it may do. */
export const exclusions: readonly Reason[] = [
  {
    file: /cc-parse/,
    test: /two-stale-fresh/,
    because: 'of two directives the first is valid, also if it makes the response stale',
  },
  { file: /cc-parse/, test: /decimal|a100|100a/, because: 'an invalid value makes the response stale (RFC 9111, 4.2.1)' },
  { file: /cdn/, test: /case-insensitive/, because: 'names in a structured field are in lower case (RFC 9651, 3.2)' },
  { file: /age-parse/, test: /parameter/, because: 'an invalid age is ignored (RFC 9111, 5.1)' },
  { file: /cc-response|headers/, test: /omit-headers/, because: 'no-cache with field names is treated as without them' },
  { file: /stale/, test: /warning/, because: 'RFC 9111 has removed the warning field' },
  { file: /stale/, test: /stale-503/, because: 'an error of the service is replaced only with stale-if-error' },
  { file: /heuristic/, test: /delta/, because: 'a tenth of so short a time is over before the second request' },
  { file: /method/, test: /POST/, because: 'responses to POST are not stored' },
  {
    file: /cc-request/,
    test: /no-store/,
    because: 'no-store of a request prevents storing, and not the use of what is stored (RFC 9111, 5.2.1.5)',
  },
  {
    file: /vary/,
    test: /lang/,
    because: 'the order of languages has a meaning for some services, and the cache does not choose between languages',
  },
  { file: /conditional-lm/, test: /no-lm/, because: 'date is not used in place of last-modified' },
  {
    file: /conditional/,
    test: /unquoted|obs-text/,
    because: 'entity tags that are not valid, or not ASCII, are compared as they are',
  },
  { file: /conditional/, test: /vary-headers-mismatch/, because: 'a response for other fields is not validated' },
  { file: /headers|other|update304/, test: /set-cookie$/i, because: 'responses that set cookies are not stored' },
  { file: /headers/, test: /Transfer-Encoding/, because: 'the gateway refuses a response with an unknown transfer coding' },
  { file: /update304/, test: /Content-(Encoding|Range|Type)/, because: 'fields of the body stay, because the body does' },
  { file: /update304/, test: /ETag/, because: 'a 304 response with another entity tag is about another version' },
  { file: /updateHead/, because: 'responses to HEAD do not change what is stored' },
  { file: /partial/, because: 'parts are not stored' },
  { file: /other/, test: /age-delay/, because: 'a response that was not stored has no age' },
]
