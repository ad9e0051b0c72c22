import { checkKnownKeys, checkName, checkObject, checkOneOf, invalidError } from '@sd/core'
import { ACL, Id, Permission } from 'node-zookeeper-client'

/** What a rule can allow: reading and listing, changing, creating and removing nodes below, changing the rules. */
export type AccessPermission = 'read' | 'write' | 'create' | 'delete' | 'admin'

const permissions: Readonly<Record<AccessPermission, number>> = {
  read: Permission.READ,
  write: Permission.WRITE,
  create: Permission.CREATE,
  delete: Permission.DELETE,
  admin: Permission.ADMIN,
}

const allPermissions = Object.keys(permissions) as AccessPermission[]

/** One entry of a node's access list. */
export interface AccessRule {
  /** Kind of identity, such as `digest`, `world`, `ip`, or `auth` for whoever creates the node. */
  readonly scheme: string
  /** Whom: `user:base64(sha1("user:password"))` for `digest`, `anyone` for `world`, an address for `ip`, empty for `auth`. */
  readonly id: string
  /** What is allowed. @default all of it */
  readonly permissions?: readonly AccessPermission[]
}

/** Checks an access list. @throws SdError `SD_INVALID` that shows no identity */
export function checkAccessRules(field: string, value: unknown): readonly AccessRule[] {
  if (!Array.isArray(value) || value.length === 0) throw invalidError(field, typeof value, 'a list of at least one rule')
  return value.map((rule: unknown, index) => checkAccessRule(`${field}[${index}]`, rule))
}

function checkAccessRule(field: string, value: unknown): AccessRule {
  // An identity has the hash of a password: it is not shown.
  if (typeof value !== 'object') throw invalidError(field, typeof value, 'an object')
  const rule = checkObject(field, value)
  checkKnownKeys(field, rule, ['scheme', 'id', 'permissions'])
  const { id, permissions: allowed = allPermissions } = rule
  if (typeof id !== 'string' || !id.isWellFormed()) throw invalidError(`${field}.id`, typeof id, 'a text')
  if (!Array.isArray(allowed))
    throw invalidError(`${field}.permissions`, typeof allowed, `a list of ${allPermissions.join(', ')}`)
  return {
    scheme: checkName(`${field}.scheme`, rule['scheme']),
    id,
    permissions: allowed.map((one, index) => checkOneOf(`${field}.permissions[${index}]`, one, allPermissions)),
  }
}

/** The rules as the library wants them. */
export function toAcl(rules: readonly AccessRule[]): ACL[] {
  return rules.map(({ scheme, id, permissions: allowed = allPermissions }) => {
    const bits = allowed.reduce((sum, one) => sum | permissions[one], 0)
    return new ACL(bits, new Id(scheme, id))
  })
}
