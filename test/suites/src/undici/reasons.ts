import type { Reason } from '../list.ts'

/** Test files of undici that do not test a request through a dispatcher. */
export const outOfScope: readonly Reason[] = [
  { file: /^test\/(mock-|snapshot)/, because: "undici's mocks and recordings, which respond instead of a server" },
  { file: /^test\/(proxy|socks5|env-http-proxy)/, because: 'dispatchers for proxies, which replace a service' },
  {
    file: /^test\/(http2|h2c|connect-h2)/,
    because: 'HTTP/2 of undici; the client uses node:http2, and has its own tests',
  },
  { file: /^test\/(pool|round-robin-pool|agent|balanced|pipeline-pipelining)/, because: 'the choice of a connection in a pool' },
  {
    file: /^test\/client-(connect|keep-alive|pipelining|unref|wasm|node-max|head-reset|idempotent)/,
    because: 'one connection: opening, keeping, pipelining, reset',
  },
  {
    file: /^test\/(connect-|close-and-destroy|get-head-body|tls|ip-prioritization|socket-timeout|gc|inflight)/,
    because: 'one connection: opening, closing, TLS',
  },
  {
    file: /^test\/(util|timers|readable|decorator-handler|dispatcher|errors|fixed-queue|global-frozen|node-platform-objects|release|install|examples|esm-wrapper|stream-compat)\.js$/,
    because: "a part of undici's library by itself",
  },
  {
    file: /^test\/(client-timeout|request-timeout2?|fetch\/fetch-timeouts)\.js$/,
    because: "sets undici's own clock; the limits have tests in packages/client",
  },
  {
    file: /^test\/issue-(2065|2590|3356|3897|3904|3934|3959|4389|4691|4780|4806|4880|5087|5137|5356|5381|5390|5404|5638|810|803)\.js$/,
    because: 'a fault of one connection, a proxy, the cache or a mock',
  },
  {
    file: /^test\/node-test\/(agent|balanced-pool|ca-fingerprint|client-abort|client-connect|client-tls|debug|global-dispatcher|unix|large-body|util|validations|autoselectfamily|diagnostics)/,
    because: 'one connection, CONNECT, or a part of undici by itself',
  },
  { file: /^test\/interceptors\/(cache|dns|dump-invalid)/, because: 'the cache and the name resolution of undici' },
  {
    file: /^test\/fetch\/(data-uri|blob-uri|about-uri|bundle|util|spread|iterators|headerslist|.*inspect-custom|formdata|headers|request|response|response-json|exiting|export-env.*|client-node-max.*|http2|issue-node.*|issue-1447|user-agent|general|readable-stream-from|referrrer-policy)\.js$/,
    because: 'classes of fetch by themselves, or another process',
  },
]

const connection =
  'the state of one connection: busy, pipelined, closed at that moment. The client has many connections, and begins a request slightly later'

/** Tests that fail through `client.dispatcher`. */
export const exclusions: readonly Reason[] = [
  {
    file: /long-lived-abort-controller/,
    because: '2,000 requests with garbage collection each: longer than the time limit, also without the client',
  },
  { file: /client-request\.js/, test: /request dump with/, because: 'compares lines of a stack trace' },
  {
    file: /client-stream\.js/,
    test: /needDrain/,
    because: 'dispatch returns true: a service has no queue whose length it could report',
  },
  {
    file: /./,
    test: /reset|connection header per RFC 7230/,
    because: 'the connection field is for one connection: the client leaves it out, and keeps its connections',
  },
  { file: /invalid-headers\.js/, because: 'fields of one connection (RFC 9110, 7.6.1) are left out; undici rejects them' },
  {
    file: /(content-length|query)\.js/,
    test: /content-length/,
    because: 'a content-length that differs from the length of the body is corrected; undici rejects it',
  },
  { file: /request-crlf\.js/, because: 'also rejected, with a message that names the field' },
  {
    file: /body-sent-hooks|client-dispatch/,
    test: /onBodySent|onRequestSent/,
    because: 'hooks for the writing of one connection: a call may be sent several times',
  },
  {
    file: /client\.js/,
    test: /url-like url|absolute url as path/,
    because: 'a path belongs to a service; an absolute URL is for proxies',
  },
  {
    file: /client\.js/,
    test: /iterator with invalid data|async iterator yield object/,
    because: 'a part that is not bytes is an InvalidArgumentError, where undici has a TypeError',
  },
  {
    file: /client-errors\.js/,
    test: /invalid body chunk/,
    because: 'a part that is not bytes is an InvalidArgumentError, where undici has a TypeError',
  },
  {
    file: /client\.js/,
    test: /custom stream|empty stream/,
    because: 'streams are read by iteration, which does not destroy a stream with autoDestroy: false',
  },
  { file: /connect/, because: 'CONNECT is refused: a tunnel is to a host, not to a service' },
  { file: /client-dispatch/, test: /connect call/, because: 'CONNECT is refused: a tunnel is to a host, not to a service' },
  { file: /dump-interceptor/, because: 'the order of two errors' },
  {
    file: /issue-3410|client-dispatch/,
    test: /FastTimers|expected order/,
    because: "the time limits of undici's own clock, or the order of events of one connection",
  },
  { file: /client-upgrade/, because: connection },
  { file: /(client|promises|client-errors)\.js/, test: /destroy|pipelin|busy|streaming req|queued/, because: connection },
]
