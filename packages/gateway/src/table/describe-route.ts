import type { FieldMatch, ForwardTarget, RouteSpec } from './table.ts'

/** What a route matches, in one line, such as `GET api.example.com/orders/*, header x-lane = blue`. */
export function describeMatch({ match = {}, listeners }: RouteSpec): string {
  const { hosts, path, methods, headers = {}, query = {}, protocol } = match
  const place = `${hosts?.join(' or ') ?? ''}${path ?? (hosts ? '/*' : 'any path')}`
  const conditions = [
    ...Object.entries(headers).map(([name, field]) => `header ${name} ${describeField(field)}`),
    ...Object.entries(query).map(([name, field]) => `query ${name} ${describeField(field)}`),
    ...(protocol === undefined ? [] : [`protocol ${protocol}`]),
    ...(listeners ? [`listener ${listeners.join(' or ')}`] : []),
  ]
  return [[...(methods ? [methods.join(' or ')] : []), place].join(' '), ...conditions].join(', ')
}

function describeField(field: FieldMatch): string {
  if (typeof field === 'string') return `= ${field}`
  if ('present' in field) return field.present ? 'is present' : 'is absent'
  return 'oneOf' in field ? `= ${field.oneOf.join(' or ')}` : `begins with ${field.prefix}`
}

/** What a route does, in one line, such as `orders 90 %, orders-next 10 %`. */
export function describeAction(route: RouteSpec): string {
  if (route.redirect) return 'redirects'
  if (route.respond) return `responds ${route.respond.status}`
  const targets = targetsOf(route)
  const sum = targets.reduce((total, { weight = 1 }) => total + weight, 0)
  return targets
    .map(({ service, weight = 1, instances }) => {
      const share = targets.length > 1 ? ` ${Math.round((weight / sum) * 1_000) / 10} %` : ''
      return `${service}${instances?.version === undefined ? '' : ` version ${instances.version}`}${share}`
    })
    .join(', ')
}

/** The targets of a route, as a list. */
export function targetsOf({ forward = [] }: Pick<RouteSpec, 'forward'>): readonly ForwardTarget[] {
  return [forward].flat()
}
