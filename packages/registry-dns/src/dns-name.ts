import { splitPortReference } from '@sd/core'

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

/**
 * Whether a text is a name that can be asked for: labels of 1 to 63 letters, digits, hyphens and underscores, at most 253 characters. The
 * wire library does not check it, and would write a longer label as a compression pointer.
 */
export function isDnsName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  return name.length > 0 && name.length <= 253 && name.split('.').every((part) => label.test(part))
}

/** Names are compared without regard to case and to the dot at the end. */
export function normalizeName(name: string): string {
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
}

/**
 * Fills in a template.
 *
 * @param portName what `{port}` is for a service that names no port; `orders:admin` is the port `admin` of `orders`, in a template with `{port}`
 */
export function expandTemplate(template: string, service: string, domain: string | undefined, portName: string = ''): string {
  const named = template.includes('{port}') ? splitPortReference(service) : undefined
  const parts = { service: named?.service ?? service, port: named?.port ?? portName, domain: domain ?? '' }
  return template.replace(/\{(service|domain|port)\}/g, (_, key: keyof typeof parts) => parts[key])
}

/** The domain that the names of all services share, to ask for a sign of life; the root if that can't be told. */
export function commonDomain(template: string | ((service: string) => string), domain: string | undefined): string {
  if (domain !== undefined) return domain
  const behind = typeof template === 'string' ? template.slice(template.lastIndexOf('{service}') + '{service}'.length) : ''
  return behind.includes('.') ? behind.slice(behind.indexOf('.') + 1) : '.'
}
