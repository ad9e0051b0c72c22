import type { Reason } from '../list.ts'

/** Test files of web-platform-tests about features of a page that a program does not have. */
export const outOfScope: readonly Reason[] = [
  { file: /fetch\/api\/(cors|credentials)\//, because: 'CORS and cookies: a program has no origin and no cookie store' },
  {
    file: /cross-origin|orb|metadata|origin\/|private-network|local-network|security\/(?!1xx)/,
    because: 'protection of a page from other origins',
  },
  { file: /http-cache|request-cache|stale-while|api\/abort\/cache|conditional-get/, because: 'the cache of a browser' },
  {
    file: /keepalive|fetch-later|crashtests|idlharness|serviceworker|gc\.any/,
    because: 'the life of a page, or the interface definitions of a browser',
  },
  { file: /referrer|mode-|request-private|response-blob-realm|historical/, because: 'modes, referrers and realms of pages' },
  {
    file: /headers-no-cors|request\/request-headers|redirect-origin|forbidden/,
    because: 'fields that a page must not set, and the origin that it sends',
  },
  {
    file: /scheme-|data-urls|redirect-to-dataurl|range\/(blob|data)/,
    because: 'schemes other than http: the host of a URL is a service',
  },
  { file: /\.h2\.|\.https\./, because: 'needs the servers for TLS and HTTP/2 of a whole checkout' },
]

/** Tests that fail with `client.fetch`. */
export const exclusions: readonly Reason[] = [
  {
    file: /redirect-(mode|location|empty-location)/,
    test: /manual/,
    because:
      "redirect: manual returns the redirect itself, as Node's fetch does: a program has no navigation that needs an opaque one",
  },
  { file: /redirect-(mode|back)/, because: 'modes and types of responses from other origins' },
  {
    file: /request-headers\.any|accept-header/,
    because: 'sends no default accept, accept-language and user-agent: those of the service are in effect',
  },
  {
    file: /header-values/,
    because: 'control characters in values are rejected (RFC 9110, 5.5); the fetch standard allows all but three',
  },
  { file: /header-value-combining/, because: "lines of the response end without CR, which Node's parser rejects" },
  { file: /request-headers-case/, because: 'names are sent in lower case: Headers does not keep their case' },
  { file: /redirect-location-escape/, because: "bytes that are not UTF-8 become U+FFFD, as in Node's fetch" },
  {
    file: /request-upload/,
    because: 'rules of browsers for uploads over HTTP/1.1: no streams, no text in streams, a retry after 421',
  },
  { file: /integrity/, because: 'integrity is not checked' },
  {
    file: /abort\/general/,
    test: /rejects if already aborted|Clone aborts|Call text/,
    because: 'the order of microtasks in the Response of undici',
  },
  {
    file: /stream-safe|broken-then|consume-empty|request-disturbed|headers-guard|header-setcookie/,
    because: 'the Request and Response of undici, also with its own fetch',
  },
  { file: /api-and-duplicate|1xx-response/, because: 'rejected by undici, also with its own fetch' },
  { file: /range\/general/, because: 'fields that a page must not set, and accept-encoding: identity with range' },
  { file: /response\/json/, because: 'a URL with the scheme data' },
]
