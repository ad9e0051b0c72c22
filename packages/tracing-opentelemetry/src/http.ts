import type { Attributes } from '@opentelemetry/api'

/** Methods listed in the conventions. Any other is `_OTHER`, because span names must not come from outside. */
const knownMethods: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
])

/** The method in the name of a span. */
export function methodName(method: string): string {
  return knownMethods.has(method) ? method : 'HTTP'
}

/** The method as attributes. */
export function methodAttributes(method: string): Attributes {
  if (knownMethods.has(method)) return { 'http.request.method': method }
  return { 'http.request.method': '_OTHER', 'http.request.method_original': method }
}

/** Redacts the query of a path: values of parameters that are not in `visible`. */
export function redactQuery(target: string, visible: ReadonlySet<string>): string {
  const start = target.indexOf('?') + 1
  if (start === 0) return target
  const fields = target.slice(start).split('&')
  return target.slice(0, start) + fields.map((field) => redactField(field, visible)).join('&')
}

function redactField(field: string, visible: ReadonlySet<string>): string {
  const end = field.indexOf('=')
  const name = field.slice(0, end)
  return end < 0 || visible.has(name) ? field : `${name}=REDACTED`
}
