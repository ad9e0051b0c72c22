import { SdError } from '@sd/core'

/** Verb of the API for each HTTP method that writes. */
const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

const resourcePath = /^\/(?:api|apis\/([^/]+))\/[^/]+\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/

/**
 * Returns the review that asks whether the caller has a permission, or `undefined` for a read or a path outside a
 * namespace.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 */
export function reviewOf(method: string, path: string): object | undefined {
  const verb = verbs[method]
  const [, group = '', namespace, resource, name] = resourcePath.exec(path) ?? []
  if (verb === undefined || resource === undefined) return undefined
  return {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { namespace, verb, group, resource, ...(name && { name }) } },
  }
}

/** Returns the verb of a request in terms of permissions, or `undefined` for a path outside a namespace. */
export function verbOf(method: string, path: string): string | undefined {
  const [, , , resource, name] = resourcePath.exec(path) ?? []
  if (resource === undefined) return undefined
  return verbs[method] ?? (name === undefined ? 'list' : 'get')
}

/** Returns a hint for a refusal: the rule that a Role needs, or how to correct a login. @param verb see {@link verbOf} */
export function wayOut(isLogin: boolean, verb: string | undefined, path: string): string {
  if (isLogin) return ' (renew the token or the client certificate of the kubeconfig, or set the option token)'
  const [, group = '', namespace, resource] = resourcePath.exec(path) ?? []
  if (verb === undefined || resource === undefined) return ''
  const rule = `apiGroups ["${group}"], resources ["${resource}"], verbs ["${verb}"]`
  return ` (bind the user to a Role in ${namespace} that has ${rule})`
}

/** Whether a response to {@link reviewOf} allows the request. */
export function isAllowed(response: unknown): boolean {
  return (response as { readonly status?: { readonly allowed?: unknown } } | null)?.status?.allowed === true
}

/**
 * Returns the error of a write that the permissions allow: a quota or an admission policy refused it, and may allow it
 * later.
 */
export function refusedByPolicy(refusal: SdError): SdError {
  const why = 'the permissions allow it, so a quota or an admission policy refused it'
  return new SdError('SD_UNAVAILABLE', `${refusal.message} (${why})`, { cause: refusal })
}
