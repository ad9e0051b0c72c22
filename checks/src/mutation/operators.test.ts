import { expect, test } from 'vitest'
import { findChanges, type Operator } from './operators.ts'
import { parseProgram } from './syntax.ts'

/** The changes of one operator in a source, as `before -> after`. */
function changesOf(operator: Operator, text: string): readonly string[] {
  return findChanges(text, parseProgram('source.ts', text))
    .filter((change) => change.operator === operator)
    .map(({ node, replacement }) => `${text.slice(node.start, node.end)} -> ${replacement}`)
}

test.each<[Operator, string, readonly string[]]>([
  ['conditional', 'if (ready) start()', ['ready -> true', 'ready -> false', 'ready -> !(ready)']],
  ['conditional', 'if (!ready) start()', ['!ready -> true', '!ready -> false', '!ready -> ready']],
  ['conditional', 'const x = ready ? 1 : 2', ['ready -> true', 'ready -> false', 'ready -> !(ready)']],
  ['conditional', 'const x = a === b', ['a === b -> a !== b']],
  ['conditional', 'const x = a <= b', ['a <= b -> a > b']],
  ['conditional', 'const x = a && b', ['a && b -> a', 'a && b -> b']],
  ['conditional', 'const x = a ?? 5', ['a ?? 5 -> a', 'a ?? 5 -> 5']],
  ['conditional', 'x ??= 5', ['x ??= 5 -> x = 5']],
  ['boundary', 'const x = a < b', ['a < b -> a <= b']],
  ['boundary', 'const x = a >= b', ['a >= b -> a > b']],
  ['arithmetic', 'const x = a + b * c', ['a + b * c -> a - b * c', 'b * c -> b / c']],
  ['arithmetic', 'x += 1', ['x += 1 -> x -= 1']],
  ['arithmetic', 'count++', ['count++ -> count--']],
  ['arithmetic', 'const x = -y', ['-y -> y']],
  ['arithmetic', 'const x = Math.min(a, b)', ['Math.min -> Math.max']],
  ['statement', 'close()', ['close() -> ']],
  ['statement', 'this.closed = true', ['this.closed = true -> ']],
  ['await', 'const x = await read()', ['await read() -> read()']],
  ['await', 'async () => { try { return await read() } finally { end() } }', ['await read() -> read()']],
  ['return', 'function f() { return read() }', ['read() -> undefined']],
  ['return', 'function f() { return true }', ['true -> false']],
  ['return', 'function f(): boolean { return read() }', ['read() -> true', 'read() -> false']],
  ['return', 'function f(): x is string { return read() }', ['read() -> true', 'read() -> false']],
  ['return', 'const f = (): number => read()', ['read() -> 0']],
  ['return', 'const f = (): Promise<number> => read()', ['read() -> 0']],
  ['return', 'const f = () => a === b', ['a === b -> true', 'a === b -> false']],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the source has a template
  ['return', 'const f = () => `${name}!`', ["`${name}!` -> ''"]],
])('%s: %s', (operator, text, wanted) => {
  expect(changesOf(operator, text)).toEqual(wanted)
})

test.each<[string, Operator, string]>([
  ['a loop is not made endless', 'conditional', 'for (const x of list) use(x)'],
  ['a counter of a loop keeps its direction', 'arithmetic', 'for (let i = 0; i < 5; i++) use(i)'],
  ['texts are not subtracted', 'arithmetic', "const x = 'a' + b"],
  ['a constructor calls its base', 'statement', 'class A extends B { constructor() { super() } }'],
  ['a promise that is returned needs no await', 'await', 'async () => { return await read() }'],
  ['types are not code', 'conditional', 'type X<T> = T extends string ? true : false'],
])('%s', (_, operator, text) => {
  expect(changesOf(operator, text)).toEqual([])
})

test('the condition of a loop becomes false, and only its boundary moves', () => {
  const text = 'while (a < b) use()'
  expect(changesOf('conditional', text)).toEqual(['a < b -> false'])
  expect(changesOf('boundary', text)).toEqual(['a < b -> a <= b'])
})
