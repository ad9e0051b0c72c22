import type { ReadCommand } from '../command.ts'
import { formatAge } from '../duration.ts'
import { trafficOptions } from '../fleet/fleet-options.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, describeSeverity } from '../fleet/words.ts'
import { type Line, lines, sentences, styled } from '../output/view.ts'

/** `sdctl problems`: what is wrong, why, and what to do. */
export const problems: ReadCommand = {
  options: trafficOptions,
  ...readingFleet((model) => {
    const found = model.problems
    const view: readonly Line[] = found.flatMap(({ severity, text, evidence, next, since }) => [
      [describeSeverity(severity), `  ${text}`, since === undefined ? '' : styled('dim', `  for ${formatAge(model.at - since)}`)],
      ...evidence.map((line): Line => [styled('dim', '  · '), line]),
      ...(next === undefined ? [] : [[styled('dim', '  → '), next] as Line]),
    ])
    return {
      data: { at: model.at, problems: found },
      hasProblems: found.some(({ severity }) => severity !== 'info'),
      view: [sentences(...(found.length > 0 ? view : ['Nothing is wrong.'])), lines(describeFleet(model))],
    }
  }, true),
}
