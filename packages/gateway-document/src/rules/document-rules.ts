import type { AdminPart, DrainPart, ObservePart, RegisterPart } from '../document.ts'
import {
  boolean,
  either,
  integer,
  isPlainObject,
  isText,
  list,
  object,
  oneOf,
  type Rule,
  record,
  secretText,
  text,
} from './rule.ts'
import { address, durationOrNone, listener, name, route } from './table-rules.ts'

/** Settings of a policy: its fields are those of the policy's package, which checks them. `true` is its default, `false` none. */
const policy: Rule = either([
  { fits: (value) => typeof value === 'boolean', rule: boolean() },
  { fits: (value) => value === null, rule: { schema: { type: 'null' }, check: () => undefined } },
  { fits: () => true, rule: object<object>({}, { isOpen: true }) },
])
/** A value that the client's reader checks. */
const anything: Rule = { schema: {}, check: () => undefined }

/** Settings of one service; the client's reader checks their values. */
const settings = {
  resilient: boolean(),
  timeoutMs: durationOrNone,
  attemptTimeoutMs: anything,
  serverName: anything,
  idempotent: boolean(),
  collapse: boolean(),
  headers: record(text('a value')),
  fallback: policy,
  rateLimit: policy,
  concurrencyLimit: policy,
  breaker: policy,
  retry: policy,
  hedge: policy,
  retryBudget: policy,
  balancer: either([
    { fits: isText, rule: name },
    { fits: () => true, rule: object<{ kind: string }>({ kind: name }, { required: ['kind'], isOpen: true }) },
  ]),
  instanceBreaker: policy,
  operations: record(object<object>({}, { isOpen: true })),
} satisfies Record<string, Rule>

const service = object<typeof settings>(settings, {
  description: 'Settings of a service, as in a settings document of @sd/client',
})

const observe = object<ObservePart>(
  {
    address,
    livePath: text('a path that begins with /', { pattern: /^\// }),
    readyPath: text('a path that begins with /', { pattern: /^\// }),
    accessLog: oneOf(['json', 'off']),
  },
  { description: 'Metrics, health and the access log' },
)

const admin = object<AdminPart>(
  {
    address,
    token: secretText('file: and a path, or a text of at least 16 characters', /^file:.|^.{16,}$/),
    hosts: list(name),
  },
  { description: 'The admin endpoint of @sd/admin, which only reads' },
)

const drain = object<DrainPart>(
  { propagationDelayMs: durationOrNone, timeoutMs: durationOrNone },
  { description: 'How the process ends' },
)

const register = object<RegisterPart>(
  {
    service: name,
    listener: name,
    address: text('an address that others reach'),
    version: name,
    zone: name,
    metadata: record(text('a value')),
  },
  { required: ['service', 'listener'], description: 'Registers the gateway itself' },
)

/** The newest version of the document. */
export const currentVersion = 1

const documentFields = {
  version: oneOf([currentVersion]),
  name,
  registry: either([
    { fits: isPlainObject, rule: object<{ type: string }>({ type: name }, { required: ['type'], isOpen: true }) },
    {
      fits: () => true,
      rule: secretText('a URL such as consul://127.0.0.1:8500, or an object with a type', /^[a-z][a-z0-9-]*(\+tls)?:/),
    },
  ]),
  listeners: list(listener, { min: 1 }),
  defaults: service,
  services: record(service),
  discovery: object<object>({}, { isOpen: true, description: 'Settings of discovery, as in a settings document of @sd/client' }),
  routes: list(route, { min: 1 }),
  rateLimiters: record(
    object<object>({}, { isOpen: true, description: 'Options of a rate limiter, such as limit and windowMs' }),
  ),
  affinityKeys: list(secretText('file: and a path, or a text of at least 32 characters', /^file:.|^.{32,}$/), { min: 1 }),
  observe,
  admin,
  drain,
  register,
  workers: integer(1, 256),
  plugins: list(text('a path of a module that begins with ./, ../ or /', { pattern: /^\.{0,2}\/./ })),
} satisfies Record<string, Rule>

/** The document. */
export const documentRule: Rule = object<typeof documentFields>(documentFields, {
  required: ['version', 'listeners', 'routes'],
  description: 'The document of a gateway',
})
