import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { root } from './gate.ts'
import { lineNumber } from './line-number.ts'
import { MEMBERS } from './workspace.ts'

/** The parts of a syntax node that this gate reads. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** Minimum bound of real time in a test, in milliseconds: a busy machine can exceed a smaller one without any work. */
const leastBoundMs = 1_000

const upperBounds = new Set(['toBeLessThan', 'toBeLessThanOrEqual'])
/** Functions that wait for a condition, with a time limit as later argument. */
const waits = new Set(['eventually', 'within', 'waitFor', 'waitUntil'])
/** What a test has that bounds real time; others need no parsing. */
const bounding = new RegExp(`\\b(?:${[...upperBounds, ...waits].join('|')})\\b`)
const mark = /^(?:performance|Date)\.now\(\)$/
const elapsed = /\b(?:performance|Date)\.now\(\)\s*-/

/** Reads all tests, and the suites shared by tests of several packages. */
export function readTests(): ReadonlyMap<string, string> {
  const files = globSync([`${MEMBERS}/src/**/*.test.ts`, '{packages/testing,test/faults,test/consumers}/src/*.ts'], { cwd: root })
  return new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
}

/**
 * Places where a test bounds measured real time, or a wait, by less than a second, one line each. Such a test fails on a busy machine.
 * Tests with fake timers are excluded.
 */
export function checkRealTime(tests: ReadonlyMap<string, string>): readonly string[] {
  return [...tests].flatMap(([file, text]) =>
    !bounding.test(text) || text.includes('useFakeTimers(') ? [] : shortBounds(file, text),
  )
}

function shortBounds(file: string, text: string): readonly string[] {
  const found: string[] = []
  const marks = new Set<string>()
  const measured = new Set<string>()
  const textOf = (node: unknown): string => text.slice((node as Node).start, (node as Node).end)
  function note(node: Node, boundMs: number): void {
    const line = lineNumber(text, node.start)
    found.push(`${file}:${line}: ${boundMs} ms of real time, want at least ${leastBoundMs}, virtual time or the order of events`)
  }
  const visitor = new Visitor({
    VariableDeclarator({ id, init }) {
      if (init && elapsed.test(textOf(init))) measured.add(textOf(id))
      else if (init && mark.test(textOf(init))) marks.add(textOf(id))
    },
    Property({ key, value }) {
      if (elapsed.test(textOf(value))) measured.add(textOf(key))
    },
    CallExpression(call) {
      const { callee } = call
      const bound = call.arguments.map(boundOf).find((ms) => ms !== undefined)
      if (bound === undefined || bound >= leastBoundMs) return
      const name = callee.type === 'MemberExpression' ? textOf(callee.property) : textOf(callee)
      if (waits.has(name) && call.arguments.length > 1) note(call as unknown as Node, bound)
      if (!upperBounds.has(name) || callee.type !== 'MemberExpression') return
      const words = textOf(callee.object)
      const isSpan = [...words.matchAll(/-\s*(\w+)/g)].some(([, name = '']) => marks.has(name))
      if (isSpan || elapsed.test(words) || (words.match(/\w+/g) ?? []).some((word) => measured.has(word)))
        note(callee.property as unknown as Node, bound)
    },
  })
  visitor.visit(parseSync(file, text).program)
  return found
}

/** The value of a numeric argument, or of its property `timeout`. */
function boundOf(argument: unknown): number | undefined {
  const { type, value, properties = [] } = argument as Node & { readonly properties?: readonly Node[] }
  if (type === 'Literal' && typeof value === 'number') return value
  if (type !== 'ObjectExpression') return undefined
  const timeout = properties.find(({ key }) => (key as { readonly name?: string } | undefined)?.name === 'timeout')
  return timeout && boundOf(timeout['value'])
}
