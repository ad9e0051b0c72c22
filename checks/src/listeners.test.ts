import { expect, test } from 'vitest'
import { checkListeners } from './listeners.ts'
import { type Package, readPackages } from './workspace.ts'

function check(files: Readonly<Record<string, string>>, folder: string = 'sample'): readonly string[] {
  const sources = new Map(Object.entries(files))
  return checkListeners({ folder, path: '', manifest: { name: '', version: '' }, readme: '', sources } as Package)
}

test('every package calls listeners through the helper', () => {
  expect(readPackages().flatMap(checkListeners)).toEqual([])
})

test('a direct call of a listener is reported', () => {
  const index = 'for (const listener of all) listener(1)\nentry.listener(2)\n'
  expect(check({ 'src/index.ts': index, 'src/index.test.ts': 'listener()' })).toEqual([
    'packages/sample/src/index.ts: calls listener itself, want guardListener of core',
    'packages/sample/src/index.ts: calls .listener itself, want guardListener of core',
  ])
})

test('an unguarded option is reported, through re-exports', () => {
  const files = {
    'src/index.ts': "export type { SomeOptions } from './options.ts'",
    'src/options.ts': `export interface SomeOptions {
      readonly onError?: (error: Error) => void
      readonly onShutdown?: () => Promise<void>
      readonly onGood?: (error: Error) => void
    }
    export interface InnerOptions { readonly onInner: () => void }
    const good = guardListener('onGood', options.onGood)`,
  }
  expect(check(files)).toEqual([
    "packages/sample/src/options.ts: SomeOptions.onError is not guarded: want guardListener('onError', …)",
  ])
  expect(check(files, 'connection-sample')).toEqual([])
})

test('a method with a listener needs the parameter name and the guard', () => {
  const declared = 'export interface Thing { onChange(listener: () => void): () => void; subscribe(tell: SomeListener): void }'
  expect(check({ 'src/index.ts': declared })).toEqual([
    'packages/sample/src/index.ts: Thing.onChange: the package guards no listener',
    'packages/sample/src/index.ts: Thing.subscribe takes tell, want the name listener',
  ])
})
