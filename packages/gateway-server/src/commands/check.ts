import { SdError } from '@sd/core'
import { type DocumentProblem, describeProblem, followGatewayDocument, isGatewayDocumentError } from '@sd/gateway-document'
import type { Command } from '../command-line.ts'
import type { Output } from '../main.ts'
import { createPartLoader } from '../part-loader.ts'
import { parts } from '../parts.ts'

/** Lists the problems and warnings of a document. @returns the exit code */
export async function check({ file, json }: Extract<Command, { kind: 'check' }>, { out, err }: Output): Promise<number> {
  const { problems, warnings } = await findProblems(file)
  if (json) out(`${JSON.stringify({ file, problems, warnings })}\n`)
  else {
    for (const warning of warnings) out(`${describeProblem(warning)} (warning)\n`)
    for (const problem of problems) err(`${describeProblem(problem)}\n`)
    out(`${file}: ${count(problems, 'problem')}, ${count(warnings, 'warning')}\n`)
  }
  return problems.length > 0 ? 1 : 0
}

async function findProblems(
  file: string,
): Promise<{ readonly problems: readonly DocumentProblem[]; readonly warnings: readonly DocumentProblem[] }> {
  try {
    await using document = await followGatewayDocument({ file, parts, load: createPartLoader(file).load })
    return { problems: [], warnings: document.warnings }
  } catch (error) {
    if (isGatewayDocumentError(error)) return { problems: error.problems, warnings: [] }
    if (!(error instanceof SdError)) throw error
    return { problems: [{ path: '', message: `can't be used: ${error.message}` }], warnings: [] }
  }
}

function count(list: readonly unknown[], what: string): string {
  return `${list.length} ${what}${list.length === 1 ? '' : 's'}`
}
