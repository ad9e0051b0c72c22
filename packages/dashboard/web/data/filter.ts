/** What a row can be filtered by: values by name. `text` is searched without a name. */
export type Searchable = Readonly<Record<string, string | readonly string[] | boolean | undefined>>

/**
 * Whether a row matches a filter: words that must all match, such as `orders zone:eu unhealthy -draining`. A word alone is searched in
 * `text`, or is the name of a yes-or-no value; `name:` narrows it, and `-` reverses it.
 */
export function matches(filter: string, row: Searchable): boolean {
  return filter
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => {
      const isReversed = word.length > 1 && word.startsWith('-')
      return matchesWord(isReversed ? word.slice(1) : word, row) !== isReversed
    })
}

function matchesWord(word: string, row: Searchable): boolean {
  const flag = Object.hasOwn(row, word) ? row[word] : undefined
  if (typeof flag === 'boolean') return flag
  const [, name = '', rest = ''] = /^([a-z]+):(.*)$/.exec(word) ?? []
  if (name !== '' && Object.hasOwn(row, name)) return includes(row[name], rest)
  return includes(row['text'], word)
}

function includes(value: Searchable[string], wanted: string): boolean {
  if (typeof value === 'boolean') return String(value) === wanted
  const texts = value === undefined ? [] : typeof value === 'string' ? [value] : value
  return texts.some((text) => text.toLowerCase().includes(wanted))
}
