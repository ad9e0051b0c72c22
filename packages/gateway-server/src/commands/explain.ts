import { explainTable, type RouteExplanation } from '@sd/gateway'
import { followGatewayDocument } from '@sd/gateway-document'
import type { Command } from '../command-line.ts'
import type { Output } from '../main.ts'
import { createPartLoader } from '../part-loader.ts'
import { parts } from '../parts.ts'

/** Shows which route a request takes. Connects to nothing. @returns 0, or 1 if no route takes it */
export async function explain(
  { file, method, url, headers, listener, protocol, json }: Extract<Command, { kind: 'explain' }>,
  { out }: Output,
): Promise<number> {
  const loader = createPartLoader(file)
  await using document = await followGatewayDocument({ file, parts, load: loader.load })
  const { table, rateLimiters, affinityKeys } = document.current
  const probe = { method, url, headers, ...(listener !== undefined && { listener }), ...(protocol !== undefined && { protocol }) }
  const explanation = explainTable(table, probe, {
    rateLimiters,
    affinityKeys,
    filters: loader.filters,
    protocols: loader.protocols,
  })
  out(json ? `${JSON.stringify(explanation)}\n` : `${describe(explanation).join('\n')}\n`)
  return explanation.route === undefined ? 1 : 0
}

function describe(explanation: RouteExplanation): readonly string[] {
  const { request, refusal, route, allowedMethods, otherRoutes } = explanation
  const lines = [`${request.method} ${request.host}${request.path} on listener ${request.listener}`]
  if (refusal) return [...lines, `is refused before any route: ${refusal.status} ${refusal.detail}`]
  if (route !== undefined) lines.push(`takes route ${route}`, ...describeAction(explanation))
  else if (allowedMethods) lines.push(`gets 405: there are routes for ${allowedMethods.join(', ')}`)
  else lines.push('gets 404: there is no route')
  if (otherRoutes.length > 0) lines.push('Other routes:')
  for (const { route: other, unmet } of otherRoutes)
    lines.push(`  ${other}: ${unmet ? `${unmet} is not met` : 'is less specific'}`)
  return lines
}

function describeAction({ path, location, status, targets, policies, rateKey }: RouteExplanation): readonly string[] {
  const lines: string[] = []
  if (location !== undefined) lines.push(`  redirects to ${location}`)
  else if (status !== undefined) lines.push(`  responds ${status}`)
  for (const { service, instances, share } of targets) {
    const which = instances ? `, instances ${JSON.stringify(instances)}` : ''
    lines.push(
      `  sends ${path ?? 'connections'} to ${service}: ${Math.round(share * 1_000) / 10} % of ${path === undefined ? 'them' : 'the requests'}${which}`,
    )
  }
  for (const [name, value] of Object.entries(policies)) lines.push(`  ${name}: ${JSON.stringify(value)}`)
  if (rateKey !== undefined) lines.push(`  counts for the rate limit as ${rateKey}`)
  return lines
}
