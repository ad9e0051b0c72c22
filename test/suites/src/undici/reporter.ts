import type { TestEvent } from 'node:test/reporters'

/** Writes a line of JSON for every test that has ended. */
// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a reporter
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, nesting, skip, todo, details } = event.data
    const error = event.type === 'test:fail' ? describe(event.data.details.error) : undefined
    yield `${JSON.stringify({ name, nesting, skip: Boolean(skip) || Boolean(todo), type: details.type, error })}\n`
  }
}

function describe(error: Error & { cause?: unknown }): string {
  const { cause } = error
  const inner = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause ?? '')
  return `${error.message}\n${inner}`
}
