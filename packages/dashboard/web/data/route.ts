import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'

// The address of the page: `#/services/orders?q=…`. Filters, columns and ranges are in it, so that a reload or a shared link keeps them.

/** What the address says. */
export interface Route {
  readonly parts: readonly string[]
  readonly query: URLSearchParams
}

const hash: Signal<string> = signal(location.hash)
addEventListener('hashchange', () => {
  hash.value = location.hash
})

/** The current route. */
export const route: ReadonlySignal<Route> = computed(() => {
  const [path = '', query = ''] = hash.value.replace(/^#\/?/, '').split('?')
  return { parts: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query) }
})

/** A link to a page, such as `to('services', name)`. */
export function to(...parts: readonly string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`
}

/** A parameter of the address. */
export function parameter(name: string): string {
  return route.value.query.get(name) ?? ''
}

/** Sets parameters of the address without a new entry in the history; an empty value removes one. */
export function setParameters(values: Readonly<Record<string, string>>): void {
  const { parts, query } = route.value
  const next = new URLSearchParams(query)
  for (const [name, value] of Object.entries(values)) {
    if (value === '') next.delete(name)
    else next.set(name, value)
  }
  const text = next.toString()
  history.replaceState(null, '', to(...parts) + (text === '' ? '' : `?${text}`))
  hash.value = location.hash
}

/** Goes to a page. */
export function go(address: string): void {
  location.hash = address
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
