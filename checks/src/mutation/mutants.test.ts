import { expect, test } from 'vitest'
import { type Mutant, mutate } from './mutants.ts'

const text = `
  class Gate {
    opened = 0
    open(count) {
      if (count > 2 && !this.closed) this.opened += count
      else this.refuse(count)
      return { opened: this.opened, text: \`\${count + 1}\` }
    }
    refuse = (count) => { this.refused = count }
  }
  const gate = new Gate()
  module.result = [gate.open(3), gate.open(2), gate.refused]
`
const mutated = mutate('src/gate.js', text, 10)

/** Runs a source. @returns its `module.result` */
function run(source: string): unknown {
  const module: { result?: unknown } = {}
  new Function('module', source)(module)
  return module.result
}

const runWith = (id: number): unknown => run(mutated.withMutant(id))

function find(change: string): Mutant {
  const found = mutated.mutants.find(({ key }) => key.change === change)
  if (!found) throw new Error(`No mutant ${change}: ${mutated.mutants.map(({ key }) => key.change).join('; ')}`)
  return found
}

const unchanged = [{ opened: 3, text: '4' }, { opened: 3, text: '3' }, 2]

test('a recording source behaves as before, and reports the mutants that it reaches', () => {
  const reached = new Set<number>()
  const reach = (...ids: readonly number[]): void => {
    for (const id of ids) reached.add(id)
  }
  Object.assign(globalThis, { __reach: reach, __seen: [] })
  expect(run(mutated.recording())).toEqual(unchanged)
  expect(reached).toEqual(new Set(mutated.mutants.map(({ id }) => id)))
  reached.clear()
  run(mutate('src/a.js', 'function f() { stop() }', 1).recording())
  expect(reached).toEqual(new Set())
  Object.assign(globalThis, { __seen: mutated.mutants.map(() => true) })
  reached.clear()
  run(mutate('src/b.js', 'if (module) stop(); function stop() {}', 1).recording())
  expect(reached).toEqual(new Set())
  Reflect.deleteProperty(globalThis, '__reach')
  Reflect.deleteProperty(globalThis, '__seen')
})

test('one mutant is in effect', () => {
  expect(run(text)).toEqual(unchanged)
  expect(runWith(find('count > 2 -> count >= 2').id)).toEqual([{ opened: 3, text: '4' }, { opened: 5, text: '3' }, undefined])
  expect(runWith(find('count + 1 -> count - 1').id)).toEqual([{ opened: 3, text: '2' }, { opened: 3, text: '1' }, 2])
  expect(runWith(find('this.refuse(count) -> (removed)').id)).toEqual([...unchanged.slice(0, 2), undefined])
  expect(runWith(find('count > 2 && !this.closed -> false').id)).toEqual([{ opened: 0, text: '4' }, { opened: 0, text: '3' }, 2])
})

test('every mutant has its own number and a source that parses', () => {
  expect(mutated.mutants.map(({ id }) => id)).toEqual(mutated.mutants.map((_, index) => 10 + index))
  for (const { id } of mutated.mutants) expect(() => runWith(id), String(id)).not.toThrow(SyntaxError)
})

test('a mutant is identified by its function and the text of its line, wherever the line is', () => {
  const { key, lineNumber } = find('this.refuse(count) -> (removed)')
  expect({ key, lineNumber }).toEqual({
    key: {
      file: 'src/gate.js',
      function: 'Gate.open',
      operator: 'statement',
      line: 'else this.refuse(count)',
      change: 'this.refuse(count) -> (removed)',
    },
    lineNumber: 6,
  })
  const moved = mutate('src/gate.js', `\n\n// More above.\n${text}`, 1)
  expect(moved.mutants.map((mutant) => mutant.key)).toEqual(mutated.mutants.map((mutant) => mutant.key))
})

test('mutants that are equal in these respects are numbered', () => {
  const { mutants } = mutate('src/twice.ts', 'function f() {\n  stop()\n  go()\n  stop()\n}', 1)
  expect(mutants.map(({ key }) => [key.change, key.occurrence])).toEqual([
    ['stop() -> (removed)', undefined],
    ['go() -> (removed)', undefined],
    ['stop() -> (removed)', 2],
  ])
})

test('a changed statement does not continue the previous one', () => {
  const { mutants, withMutant } = mutate(
    'src/next.js',
    'let count = 1\nmodule.result = []\ncount++\nmodule.result.push(count)',
    1,
  )
  const { id = 0 } = mutants.find(({ key }) => key.change === 'count++ -> count--') ?? {}
  expect(run(withMutant(id))).toEqual([0])
})
