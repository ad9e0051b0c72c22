/**
 * Time budget of each gate of `npm test`, in seconds, on two cores with warm caches: 15 minutes in total. For the tests it assumes a
 * change of core, after which turbo has no cached results. CONTRIBUTING.md has the same table.
 */
export const budgets: ReadonlyMap<string, number> = new Map([
  ['format and lint', 15],
  ['unused code (knip)', 15],
  ['types', 60],
  ['build', 60],
  ['test servers', 5],
  ['tests and coverage', 415],
  ['conventions', 10],
  ['long functions and import circles', 5],
  ['error codes', 5],
  ['documented exports', 5],
  ['snippets', 60],
  ['links', 2],
  ['prose', 10],
  ['changesets', 2],
  ['tarballs and sizes', 45],
  ['install on Node 22, 24, 26 and Bun', 86],
  ['toolchains', 55],
  ['bare machine', 45],
])

/** Text after the time of a gate: its budget, and a note if it took longer. Not a failure, because machines are shared and caches can be empty. */
export function describeBudget(gate: string, seconds: number): string {
  const budget = budgets.get(gate)
  if (budget === undefined) return ''
  return ` of ${String(budget).padStart(3)} s${seconds > budget ? '  OVER ITS BUDGET' : ''}`
}
