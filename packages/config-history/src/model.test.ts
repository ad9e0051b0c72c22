import fc from 'fast-check'
import { expect, test } from 'vitest'
import { key, setUp, summaryOf } from './testing/setup.ts'

type Command =
  | { readonly kind: 'put' | 'external'; readonly content: string }
  | { readonly kind: 'rollback'; readonly to: number }
  | { readonly kind: 'delete' | 'removed' | 'list' }

const content = fc.oneof(fc.constantFrom('a', 'b'), fc.string({ unit: 'binary', maxLength: 20 }))
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: content.map((text): Command => ({ kind: 'put', content: text })) },
  { weight: 2, arbitrary: content.map((text): Command => ({ kind: 'external', content: text })) },
  { weight: 2, arbitrary: fc.nat().map((to): Command => ({ kind: 'rollback', to })) },
  fc.constantFrom<Command>({ kind: 'delete' }, { kind: 'removed' }, { kind: 'list' }),
)

test('for arbitrary operations, the history matches a plain list', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 15 }), fc.integer({ min: 2, max: 20 }), async (commands, maxVersions) => {
      const { history, texts, open } = setUp({ maxVersions })
      const model: string[] = []
      const contents: (string | null)[] = []
      let live: string | null = null
      function record(change: string, next: string | null): void {
        live = next
        contents.push(next)
        model.unshift(`${contents.length} ${change} written ${next}`)
      }
      function notice(): void {
        const found = texts.get(key)?.content ?? null
        if (found !== live) record('external', found)
      }

      for (const step of commands) {
        if (step.kind === 'external') texts.put(key, step.content)
        else if (step.kind === 'removed') texts.delete(key)
        else {
          notice()
          if (step.kind === 'put') {
            await history.put(step.content)
            record('put', step.content)
          } else if (step.kind === 'delete') {
            await history.delete()
            record('delete', null)
          } else if (step.kind === 'rollback') {
            const kept = await history.list()
            const target = kept[step.to % Math.max(kept.length, 1)]
            if (target) {
              await history.rollback(target.version)
              record('rollback', contents[target.version - 1] ?? null)
            }
          }
          expect(texts.get(key)?.content ?? null).toBe(live)
        }
        const isNoticed = step.kind !== 'external' && step.kind !== 'removed'
        if (isNoticed) expect(summaryOf(await open().list())).toEqual(model.slice(0, maxVersions))
      }
      expect(await history.verify()).toMatchObject({ isValid: true })
    }),
    { numRuns: 200 },
  )
})
