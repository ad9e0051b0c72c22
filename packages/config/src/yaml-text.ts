import { isNode, isPair, LineCounter, type ParsedNode, parseDocument } from 'yaml'
import { TextError } from './text-error.ts'

const maxAliases = 100

/**
 * Reads one YAML 1.2 document of the core schema, in which JSON is contained: no tag makes anything but plain values, keys are unique, and
 * aliases are bounded, so that a small text doesn't become a large one.
 *
 * @throws TextError with the place
 */
export function parseYaml(text: string): {
  readonly value: unknown
  readonly lineOf: (keys: readonly string[]) => number | undefined
} {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error', stringKeys: true })
  // A tag that is not known is a warning only, and its value a text: whoever wrote it means something else.
  const [problem] = [...document.errors, ...document.warnings]
  if (problem) {
    const { line, col } = lines.linePos(problem.pos[0])
    // Its message may quote the text; the code does not.
    throw new TextError(`is no valid YAML: ${problem.code.toLowerCase().replaceAll('_', ' ')}`, line, col)
  }
  return { value: toValue(), lineOf }

  function toValue(): unknown {
    try {
      return document.toJS({ maxAliasCount: maxAliases })
    } catch (error) {
      throw new TextError(error instanceof ReferenceError ? 'has too many aliases, or one without an anchor' : 'is no valid YAML')
    }
  }
  function lineOf(keys: readonly string[]): number | undefined {
    const parent = keys.length > 1 ? document.getIn(keys.slice(0, -1), true) : document.contents
    const items: readonly unknown[] = isNode(parent) && 'items' in parent ? (parent.items as readonly unknown[]) : []
    const pair = items.find((item) => isPair<ParsedNode>(item) && String(item.key) === keys.at(-1))
    const node = isPair<ParsedNode>(pair) ? pair.key : document.getIn(keys, true)
    return isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined
  }
}
