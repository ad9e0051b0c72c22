/**
 * Time budget of each gate of `npm test`, in seconds, on two cores with warm caches. For the tests it assumes a change of core,
 * after which turbo has no cached results. The gates after the tests run beside them. CONTRIBUTING.md has the same table.
 */
export const budgets: ReadonlyMap<string, number> = new Map([
  ['format and lint', 15],
  ['unused code (knip)', 15],
  ['types', 60],
  ['types of the page', 15],
  ['build', 60],
  ['test servers', 5],
  ['tests', 550],
  ['conventions', 10],
  ['long functions and import circles', 10],
  ['error codes', 5],
  ['documented exports', 5],
  ['snippets', 100],
  ['links', 2],
  ['prose', 10],
  ['changesets', 2],
  ['tarballs and sizes', 20],
  ['install on Node 22, 24, 26 and Bun', 100],
  ['toolchains', 120],
  ['bare machine', 150],
])

/** Text after the time of a gate: its budget, and a note if it took longer. Not a failure, because machines are shared and caches can be empty. */
export function describeBudget(gate: string, seconds: number): string {
  const budget = budgets.get(gate)
  if (budget === undefined) return ''
  return ` of ${String(budget).padStart(3)} s${seconds > budget ? '  OVER ITS BUDGET' : ''}`
}
