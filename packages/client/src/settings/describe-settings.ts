import type { ResolvedSettings } from './settings.ts'

/**
 * Describes settings as plain data, for people: numbers and booleans as they are, policies as `on`. Values of header fields
 * are left out, because they may be secret.
 */
export function describeSettings(settings: ResolvedSettings): Readonly<Record<string, string | number | boolean>> {
  const { operations: _listed, balancer: _named, headers, ...rest } = settings
  const described: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(rest)) {
    if (name === 'retryBudget') for (const [part, number] of Object.entries(value)) described[`retryBudget.${part}`] = number
    else if (typeof value === 'object' || typeof value === 'function') described[name] = nameOf(value)
    else described[name] = value
  }
  const names = Object.keys(headers)
  if (names.length > 0) described['headers'] = names.join(', ')
  return described
}

function nameOf(policy: object): string {
  const { name } = policy as { readonly name?: unknown }
  return typeof policy === 'object' && typeof name === 'string' && name !== '' ? name : 'on'
}
