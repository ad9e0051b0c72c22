import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly (AlertRule | RecordingRule)[] }[]
}

/** An alert rule of Prometheus. */
export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** A recording rule of Prometheus. */
export interface RecordingRule {
  readonly record: string
  readonly expr: string
}

/** Path of this package. */
export const packageFolder: string = fileURLToPath(new URL('../..', import.meta.url))

/** Files with rules, below the package. */
export const ruleFiles: readonly string[] = globSync('rules/*.yaml', { cwd: packageFolder }).sort()

const rules = ruleFiles.flatMap((file) =>
  (parse(readFileSync(`${packageFolder}/${file}`, 'utf8')) as RuleFile).groups.flatMap((group) => group.rules),
)

/** All alert rules. */
export const alertRules: readonly AlertRule[] = rules.filter((rule) => 'alert' in rule)

/** All recording rules. */
export const recordingRules: readonly RecordingRule[] = rules.filter((rule) => 'record' in rule)
