import type {
  AffinitySpec,
  DirectResponse,
  ForwardTarget,
  HeaderRules,
  InstanceSelector,
  ListenerCertificate,
  ListenerLimits,
  ListenerSpec,
  ListenerTimeouts,
  ListenerTls,
  MinBodyRate,
  MirrorSpec,
  RedirectSpec,
  RewriteSpec,
  RouteLimits,
  RouteMatch,
  RouteRateLimit,
  RouteSpec,
  RouteTimeouts,
} from '@sd/gateway'
import {
  anyText,
  atParent,
  boolean,
  either,
  integer,
  isPlainObject,
  isText,
  list,
  number,
  object,
  oneOf,
  type Rule,
  record,
  secretText,
  text,
} from './rule.ts'

// A field that is added to a type of @sd/gateway needs a rule here, and a line in fixtures/1/everything.yaml.

/** Longest duration of a timer, in milliseconds. */
const maxMs = 2_147_483_647

/** A name, for logs and metrics. */
export const name: Rule = text('a name without control characters or outer white space', {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: rejecting control characters is the purpose.
  pattern: /^[^\s\u0000-\u001f\u007f]([^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f])?$/,
  maxLength: 255,
})

/** Programs differ in the protocols that they have, so that names are references. */
const protocol: Rule = { ...name, schema: { ...name.schema, description: 'A protocol, such as h2, grpc, websocket, tcp or udp' } }

/** An address to listen on. */
export const address: Rule = text('a host and a port, such as 0.0.0.0:8443 or [::1]:8080', {
  pattern: /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):\d{1,5}$/,
})

/** A duration of at least one millisecond. */
const duration: Rule = integer(1, maxMs)

/** A duration, or 0 for none. */
export const durationOrNone: Rule = integer(0, maxMs)

const headerName = text('a name of a header field, in lower case', { pattern: /^[!#$%&'*+.^_`|~0-9a-z-]+$/ })
const path = text('a path that begins with /', { pattern: /^\//, maxLength: 8_192 })

/** PEM text, or where it is: no message shows it. */
const pem = either([
  { fits: isPlainObject, rule: object<{ file: string }>({ file: text('a path') }, { required: ['file'] }) },
  { fits: () => true, rule: secretText('file: and a path, or PEM text', /^file:.|-----BEGIN /) },
])

const certificate = object<ListenerCertificate>(
  { cert: pem, key: atParent(pem), serverNames: list(text('a server name, such as api.example.com or *.example.com')) },
  { required: ['cert', 'key'] },
)

const tls = object<ListenerTls>(
  {
    certificates: list(certificate, { min: 1 }),
    clientCa: pem,
    clientCertificateRequired: boolean(),
    minVersion: oneOf(['TLSv1.2', 'TLSv1.3']),
    clearText: boolean(),
  },
  { required: ['certificates'] },
)

const minBodyRate = object<MinBodyRate>({ bytesPerSecond: integer(0, 1_073_741_824), windowMs: duration })

const listenerLimits = object<ListenerLimits>({
  headerBytes: integer(1_024, 1_048_576),
  headers: integer(1, 2_000),
  pathLength: integer(1, 1_048_576),
  connections: integer(1),
  connectionsPerAddress: integer(1),
  requestsPerConnection: integer(1),
  streamsPerConnection: integer(1, 2_147_483_647),
  cancelledStreams: integer(1),
  minBodyRate,
})

const listenerTimeouts = object<ListenerTimeouts>({
  headersMs: duration,
  idleConnectionMs: duration,
  handshakeMs: duration,
  idleBodyMs: duration,
})

/** A listener. */
export const listener: Rule = object<ListenerSpec>(
  {
    name,
    address,
    protocols: list(protocol, { min: 1 }),
    tls,
    trustedProxies: list(text('a network such as 10.0.0.0/8, or an address', { pattern: /^[0-9a-fA-F:.]+(\/\d{1,3})?$/ })),
    forwardingFields: oneOf(['x-forwarded', 'forwarded']),
    proxyProtocol: oneOf(['off', 'required']),
    limits: listenerLimits,
    timeouts: listenerTimeouts,
  },
  { required: ['name', 'address'], description: 'An address on which the gateway accepts connections' },
)

interface FieldCondition {
  readonly present: unknown
  readonly oneOf: unknown
  readonly prefix: unknown
}

const fieldMatch = either([
  { fits: isText, rule: anyText('a value') },
  {
    fits: () => true,
    rule: object<FieldCondition>(
      { present: boolean(), oneOf: list(anyText('a value'), { min: 1 }), prefix: text('the beginning of a value') },
      { exactlyOne: ['present', 'oneOf', 'prefix'] },
    ),
  },
])

const match = object<RouteMatch>({
  hosts: list(text('a host without port, such as api.example.com or *.example.com', { pattern: /^[^\s/:]+$|^\[/ }), { min: 1 }),
  path,
  methods: list(text('a method in upper case', { pattern: /^[A-Z][A-Z-]*$/ }), { min: 1 }),
  headers: record(fieldMatch),
  query: record(fieldMatch),
  protocol,
})

const instances = object<InstanceSelector>({
  version: text('a version, such as 2 or 2.1.4'),
  metadata: record(anyText('a value')),
})

const target = object<ForwardTarget>({ service: name, weight: number(0, 1_000_000), instances }, { required: ['service'] })

const headerRules = object<HeaderRules>({
  remove: list(headerName),
  set: record(anyText('a value')),
  add: record(anyText('a value')),
})

const affinity = object<AffinitySpec>(
  {
    cookie: atParent(text('a name of a cookie')),
    ttlMs: integer(1_000, 34_560_000_000),
    path,
    sameSite: oneOf(['strict', 'lax', 'none']),
    secure: boolean(),
  },
  { required: ['cookie'] },
)

const rate = object<RouteRateLimit>(
  {
    limiter: name,
    key: either([
      { fits: isText, rule: oneOf(['client-address', 'none']) },
      { fits: () => true, rule: object<{ header: string }>({ header: headerName }, { required: ['header'] }) },
    ]),
  },
  { required: ['limiter'] },
)

const limits = object<RouteLimits>({
  bodyBytes: integer(0),
  concurrency: integer(1, 1_000_000),
  rate,
  replayBytes: integer(0, 67_108_864),
  minBodyRate,
})

/** A route. */
export const route: Rule = object<RouteSpec>(
  {
    name,
    listeners: list(name, { min: 1 }),
    match,
    forward: either([
      { fits: Array.isArray, rule: list(target, { min: 1 }) },
      { fits: () => true, rule: target },
    ]),
    redirect: object<RedirectSpec>({
      status: oneOf([301, 302, 303, 307, 308]),
      scheme: oneOf(['http', 'https']),
      host: text('a host, possibly with port'),
      path,
      prefix: path,
    }),
    respond: object<DirectResponse>(
      { status: integer(200, 599), headers: record(anyText('a value')), body: anyText('a text') },
      { required: ['status'] },
    ),
    mirror: object<MirrorSpec>(
      { service: name, percent: number(0, 100), concurrency: integer(1, 100_000), bodyBytes: integer(0, 67_108_864) },
      { required: ['service'] },
    ),
    rewrite: object<RewriteSpec>({ prefix: path, path, host: text('a host, possibly with port') }),
    headers: object<Required<NonNullable<RouteSpec['headers']>>>({ request: headerRules, response: headerRules }),
    affinity,
    options: object<object>({}, { isOpen: true }),
    limits,
    timeouts: object<RouteTimeouts>({ headMs: durationOrNone, idleMs: durationOrNone, maxMs: durationOrNone }),
    push: boolean(),
    filters: list(object<{ filter: string }>({ filter: name }, { required: ['filter'], isOpen: true })),
  },
  {
    required: ['name'],
    exactlyOne: ['forward', 'redirect', 'respond'],
    description: 'A rule that says where matching requests go',
  },
)
