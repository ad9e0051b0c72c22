import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'

/** What of vitest's JSON report counts. */
interface TestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
}

/** Runs every package's tests, with its coverage threshold, or takes what turbo has cached; adds up what they counted. */
export async function runTests(): Promise<GateResult> {
  const { code, output } = await runCommand('turbo', ['run', 'test', '--continue', '--output-logs=errors-only'], {
    timeoutMs: 1_800_000,
  })
  let passed = 0
  let failed = 0
  for (const file of globSync('{packages,examples,tools}/*/coverage/tests.json', { cwd: root })) {
    const report = JSON.parse(readFileSync(join(root, file), 'utf8')) as TestReport
    passed += report.numPassedTests
    failed += report.numFailedTests + report.numPendingTests
  }
  if (code === 0 && failed === 0) return { passed, problems: [] }
  return { passed, problems: [output, ...new Array<string>(Math.max(0, failed - 1)).fill('(in the output above)')] }
}
