import { checkTable } from '@sd/gateway'
import { keysOf } from './error.ts'
import type { Warn } from './migrate.ts'
import { type DocumentParts, usesOf } from './parts.ts'
import { isPlainObject, mismatch, type PlainObject, predicateOf, type Report } from './rules/rule.ts'
import type { ShapedDocument } from './shaped-document.ts'
import { toTable } from './to-table.ts'

/** What is known when references are checked. */
export interface ReferenceContext {
  readonly parts: DocumentParts
  readonly report: Report
  readonly warn: Warn
}

/** Reports names that nothing has, and what one field says about another. Warns of what works and is probably not meant. */
export function checkReferences(document: ShapedDocument, { parts, report, warn }: ReferenceContext): void {
  const { listeners, rateLimiters = {}, affinityKeys, register, workers = 1 } = document
  const unchecked = Object.fromEntries(usesOf(document).filters.map((name) => [name, () => ({})]))
  const { problems, warnings } = checkTable(toTable(document), {
    filters: parts.filters ?? unchecked,
    ...(parts.protocols && { protocols: parts.protocols }),
    rateLimiters,
    affinityKeys,
  })
  for (const problem of problems) report({ keys: keysOf(problem.field ?? ''), message: predicateOf(problem) })
  for (const { field, message } of warnings) warn(keysOf(field), message)
  if (register && !listeners.some(({ name }) => name === register.listener)) {
    report({ keys: ['register', 'listener'], message: mismatch(register.listener, 'the name of a listener') })
  }
  if (workers > 1) checkWorkers(document, warn)
  checkServices(document, warn)
}

function checkWorkers({ defaults = {}, services = {}, rateLimiters = {} }: ShapedDocument, warn: Warn): void {
  const message = 'counts in each worker by itself: divide it by the number of workers'
  for (const limiter of Object.keys(rateLimiters)) warn(['rateLimiters', limiter], message)
  const withLimits: [readonly string[], PlainObject][] = [[['defaults'], defaults]]
  for (const [service, settings] of Object.entries(services)) withLimits.push([['services', service], settings])
  for (const [keys, settings] of withLimits) {
    for (const limit of ['rateLimit', 'concurrencyLimit']) {
      if (isPlainObject(settings[limit])) warn([...keys, limit], message)
    }
  }
}

/** Settings are optional, so a service without them is only suspicious if others have some. */
function checkServices({ routes, services = {} }: ShapedDocument, warn: Warn): void {
  const used = new Set<string>()
  const isListed = Object.keys(services).length > 0
  function use(service: string, keys: readonly string[]): void {
    used.add(service)
    if (isListed && !Object.hasOwn(services, service)) warn(keys, `is ${service}, which is not in services: it gets the defaults`)
  }
  for (const [index, { forward, mirror, filters = [] }] of routes.entries()) {
    const at = ['routes', String(index)]
    if (Array.isArray(forward)) {
      for (const [place, { service }] of forward.entries()) use(service, [...at, 'forward', String(place), 'service'])
    } else if (forward) use((forward as { service: string }).service, [...at, 'forward', 'service'])
    if (mirror) use(mirror.service, [...at, 'mirror', 'service'])
    for (const [place, { filter: _, ...options }] of filters.entries()) {
      for (const [option, value] of Object.entries(options)) {
        const service = serviceOfUrl(value)
        if (service !== undefined) use(service, [...at, 'filters', String(place), option])
      }
    }
  }
  for (const service of Object.keys(services)) if (!used.has(service)) warn(['services', service], 'is used by no route')
}

/** The service that a filter asks, as `service://login/check`. */
function serviceOfUrl(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('service:') || !URL.canParse(value)) return undefined
  return new URL(value).host || undefined
}
