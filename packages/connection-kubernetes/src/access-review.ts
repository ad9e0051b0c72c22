import { SdError } from '@sd/core'

/** Verbs of the API by HTTP method, for what is written. */
const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

const resourcePath = /^\/(?:api|apis\/([^/]+))\/[^/]+\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/

/**
 * The question whether the caller may do something, as the API takes it; `undefined` for what is only read or is not in a namespace.
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

/** The verb of a request as permissions have it; `undefined` for what is not in a namespace. */
export function verbOf(method: string, path: string): string | undefined {
  const [, , , resource, name] = resourcePath.exec(path) ?? []
  if (resource === undefined) return undefined
  return verbs[method] ?? (name === undefined ? 'list' : 'get')
}

/** The way out of a refusal: what a Role must have, or what a login lacks. @param verb see {@link verbOf} */
export function wayOut(isLogin: boolean, verb: string | undefined, path: string): string {
  if (isLogin) return ' (renew the token or the client certificate of the kubeconfig, or give the option token)'
  const [, group = '', namespace, resource] = resourcePath.exec(path) ?? []
  if (verb === undefined || resource === undefined) return ''
  const rule = `apiGroups ["${group}"], resources ["${resource}"], verbs ["${verb}"]`
  return ` (bind the user to a Role in ${namespace} that has ${rule})`
}

/** Whether an answer to {@link reviewOf} says that it is allowed. */
export function isAllowed(answer: unknown): boolean {
  return (answer as { readonly status?: { readonly allowed?: unknown } } | null)?.status?.allowed === true
}

/** The error of a write that the permissions allow: a quota or an admission policy refused it, and may let it pass later. */
export function refusedByPolicy(refusal: SdError): SdError {
  const why = 'the permissions allow it, so a quota or an admission policy refuses it'
  return new SdError('SD_UNAVAILABLE', `${refusal.message} (${why})`, { cause: refusal })
}
