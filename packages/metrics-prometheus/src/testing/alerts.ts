import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly AlertRule[] }[]
}

/** A rule of Prometheus. */
export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** Path of the alert rules. */
export const alertsPath: string = fileURLToPath(new URL('../../gateway-alerts.yaml', import.meta.url))

export function readAlerts(): readonly AlertRule[] {
  return (parse(readFileSync(alertsPath, 'utf8')) as RuleFile).groups.flatMap(({ rules }) => rules)
}
