import { type SdError, toSdError } from '@sd/core'
import type { Problem } from '../model.ts'
import { allRules } from './all-rules.ts'
import type { Facts, Finding, Rule } from './rule.ts'

/** Most problems of a model. */
const maxProblems = 1_000
/** Most findings of one rule that are looked at. */
const maxFindings = 5_000
const ranks: Readonly<Record<Problem['severity'], number>> = { critical: 0, warning: 1, info: 2 }

/** Judges the state of a fleet again and again, and remembers since when each problem lasts. */
export class ProblemTracker {
  readonly #onError: (error: SdError) => void
  readonly #rules: readonly Rule[]
  /** When each finding was first found. */
  #firstFound = new Map<string, number>()
  /** Rules whose last run failed. */
  readonly #failing = new Set<string>()

  /** @param onError receives the error of a rule that fails, once until it succeeds */
  constructor(onError: (error: SdError) => void, rules: readonly Rule[] = allRules) {
    this.#onError = onError
    this.#rules = rules
  }

  /** The problems, most severe first, and those of the same severity by age. */
  judge(facts: Facts): { readonly problems: readonly Problem[]; readonly omitted: number } {
    const found = new Map<string, number>()
    const problems: Problem[] = []
    for (const rule of this.#rules) {
      for (const finding of this.#run(rule, facts)) {
        const id = `${rule.name}:${finding.key}`
        const { severity, about, text, evidence, next, afterMs = 0 } = finding
        const firstFound = this.#firstFound.get(id) ?? facts.now
        if (found.has(id)) continue
        found.set(id, firstFound)
        const since = Math.min(finding.since ?? firstFound, facts.now)
        if (facts.now - since >= afterMs) {
          problems.push({ id, rule: rule.name, severity, about, text, evidence, next, since })
        }
      }
    }
    this.#firstFound = found
    problems.sort(byImportance)
    return { problems: problems.slice(0, maxProblems), omitted: Math.max(0, problems.length - maxProblems) }
  }

  /** A rule that fails must not hide the findings of the others. */
  #run(rule: Rule, facts: Facts): readonly Finding[] {
    try {
      const findings: Finding[] = []
      for (const finding of rule.find(facts)) {
        if (findings.push(finding) >= maxFindings) break
      }
      this.#failing.delete(rule.name)
      return findings
    } catch (error) {
      if (!this.#failing.has(rule.name)) this.#onError(toSdError(error, 'SD_MALFORMED', `Rule ${rule.name}`))
      this.#failing.add(rule.name)
      return []
    }
  }
}

function byImportance(a: Problem, b: Problem): number {
  return ranks[a.severity] - ranks[b.severity] || (a.since ?? 0) - (b.since ?? 0) || (a.id < b.id ? -1 : 1)
}
