import type { AppOptions, ResolvedAppOptions } from './options.ts'
import type { AppParts } from './parts.ts'

/** What an application is made of, as lines of text. */
export function explainApp(options: AppOptions, resolved: ResolvedAppOptions, parts: AppParts, state: string): string {
  const { version, needs = [], metrics, tracing, logging, health = [], onClose = [], client = {}, lifecycle = {} } = options
  const { signals = ['SIGTERM', 'SIGINT'] } = lifecycle
  const { livePath, readyPath } = resolved
  const services = Object.keys(client.services ?? {})
  const { configuration, registry, admin } = parts
  const rows: readonly (readonly [string, string])[] = [
    ['service', `${resolved.service}${version === undefined ? '' : ` ${version}`}, ${state}`],
    ['registry', registry.provider],
    [
      'configuration',
      configuration
        ? `version ${configuration.config.version} of ${configuration.layers.join(' < ')}${
            resolved.settingsAt === undefined ? '' : `; follows ${resolved.settingsAt}.registry and ${resolved.settingsAt}.client`
          }`
        : 'none',
    ],
    ['client', `resilient()${services.length > 0 ? `, with settings for ${services.join(', ')}` : ''}`],
    ['needs', list(needs)],
    [
      'health',
      `${livePath}, ${readyPath}${health.length > 0 ? `; checks ${health.map(({ check }) => check.name).join(', ')}` : ''}`,
    ],
    ['metrics', metrics ? resolved.metricsPath : 'none'],
    ['admin', admin ? `${admin.origin}/sd/v1` : 'none'],
    ['tracing', tracing ? 'calls and attempts' : 'none'],
    ['logging', logging ? 'calls' : 'none'],
    [
      'ends',
      `on ${list(signals)}: registration, server, ${onClose.length} of onClose, client, registry, configuration, telemetry`,
    ],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n')
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}
