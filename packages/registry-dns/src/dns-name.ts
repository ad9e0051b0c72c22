import { splitPortReference } from '@sd/core'

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

/**
 * Whether a text is a name that can be queried: labels of 1 to 63 letters, digits, hyphens and underscores, at most 253
 * characters. The wire library does not check this, and would write a longer label as a compression pointer.
 */
export function isDnsName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  return name.length > 0 && name.length <= 253 && name.split('.').every((part) => label.test(part))
}

/** Normalizes a name for comparison, which ignores case and the trailing dot. */
export function normalizeName(name: string): string {
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
}

/**
 * Expands a template.
 *
 * @param portName value of `{port}` for a service without a port; `orders:admin` is the port `admin` of `orders`, in a
 * template with `{port}`
 */
export function expandTemplate(template: string, service: string, domain: string | undefined, portName: string = ''): string {
  const named = template.includes('{port}') ? splitPortReference(service) : undefined
  const parts = { service: named?.service ?? service, port: named?.port ?? portName, domain: domain ?? '' }
  return template.replace(/\{(service|domain|port)\}/g, (_, key: keyof typeof parts) => parts[key])
}

/** Returns the domain that the names of all services share, for pings; the root if it can't be determined. */
export function commonDomain(template: string | ((service: string) => string), domain: string | undefined): string {
  if (domain !== undefined) return domain
  const behind = typeof template === 'string' ? template.slice(template.lastIndexOf('{service}') + '{service}'.length) : ''
  return behind.includes('.') ? behind.slice(behind.indexOf('.') + 1) : '.'
}
