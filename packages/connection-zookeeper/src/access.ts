import { checkKnownKeys, checkName, checkObject, checkOneOf, invalidError } from '@sd/core'
import { ACL, Id, Permission } from 'node-zookeeper-client'

/** A permission of a rule: read and list, write, create and delete child nodes, and change the rules. */
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
  /** Scheme of the identity, such as `digest`, `world`, `ip`, or `auth` for the creator of the node. */
  readonly scheme: string
  /**
   * Identity: `user:base64(sha1("user:password"))` for `digest`, `anyone` for `world`, an address for `ip`, empty for
   * `auth`.
   */
  readonly id: string
  /** Granted permissions. @default all */
  readonly permissions?: readonly AccessPermission[]
}

/** Checks an access list. @throws SdError `SD_INVALID` that does not show the identity */
export function checkAccessRules(field: string, value: unknown): readonly AccessRule[] {
  if (!Array.isArray(value) || value.length === 0) throw invalidError(field, typeof value, 'a list of at least one rule')
  return value.map((rule: unknown, index) => checkAccessRule(`${field}[${index}]`, rule))
}

function checkAccessRule(field: string, value: unknown): AccessRule {
  // An identity contains the hash of a password, so it is not shown.
  if (typeof value !== 'object') throw invalidError(field, typeof value, 'an object')
  const rule = checkObject(field, value)
  checkKnownKeys(field, rule, ['scheme', 'id', 'permissions'])
  const { id, permissions: allowed = allPermissions } = rule
  if (typeof id !== 'string' || !id.isWellFormed()) throw invalidError(`${field}.id`, typeof id, 'a string')
  if (!Array.isArray(allowed))
    throw invalidError(`${field}.permissions`, typeof allowed, `a list of ${allPermissions.join(', ')}`)
  return {
    scheme: checkName(`${field}.scheme`, rule['scheme']),
    id,
    permissions: allowed.map((one, index) => checkOneOf(`${field}.permissions[${index}]`, one, allPermissions)),
  }
}

/** Converts rules to the library's format. */
export function toAcl(rules: readonly AccessRule[]): ACL[] {
  return rules.map(({ scheme, id, permissions: allowed = allPermissions }) => {
    const bits = allowed.reduce((sum, one) => sum | permissions[one], 0)
    return new ACL(bits, new Id(scheme, id))
  })
}
