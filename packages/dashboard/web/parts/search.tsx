import type { FleetModel } from '@sd/fleet'
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { clean } from '../data/format.ts'
import { go, to } from '../data/route.ts'
import { model } from '../data/state.ts'

const mostResults = 12

interface Result {
  readonly kind: string
  readonly name: string
  readonly href: string
}

/** Search over everything that has a page. `/` goes to it; arrows and Enter choose. */
export function Search(): JSX.Element {
  const input = useRef<HTMLInputElement>(null)
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const results = text.trim() === '' || !model.value ? [] : find(model.value, text.trim().toLowerCase())

  useEffect(() => {
    function focus(event: KeyboardEvent): void {
      const isTyping = (event.target as Element | null)?.closest('input, textarea, select, dialog') != null
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      input.current?.focus()
    }
    addEventListener('keydown', focus)
    return () => removeEventListener('keydown', focus)
  }, [])

  function open(result: Result | undefined): void {
    if (!result) return
    setText('')
    input.current?.blur()
    go(result.href)
  }

  function press(event: KeyboardEvent): void {
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 }
    const step = steps[event.key]
    if (step !== undefined && results.length > 0) setChosen((chosen + step + results.length) % results.length)
    else if (event.key === 'Enter') open(results[chosen])
    else if (event.key === 'Escape') {
      setText('')
      input.current?.blur()
    } else return
    event.preventDefault()
  }

  return (
    <div class="search">
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Search services, instances and processes"
        aria-expanded={results.length > 0}
        aria-controls="found"
        aria-activedescendant={results.length > 0 ? `found-${chosen}` : undefined}
        aria-autocomplete="list"
        placeholder="Search  /"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value)
          setChosen(0)
        }}
        onKeyDown={press}
        onBlur={() => setTimeout(() => setText(''), 200)}
      />
      <div id="found" role="listbox" aria-label="Found" hidden={results.length === 0}>
        {results.map((result, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys of a combobox are those of its input
          <div
            key={result.href}
            id={`found-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={() => open(result)}
          >
            <span class="kind">{result.kind}</span> <bdi>{clean(result.name, 80)}</bdi>
          </div>
        ))}
      </div>
    </div>
  )
}

function find({ services, processes }: FleetModel, wanted: string): readonly Result[] {
  const found: Result[] = []
  const take = (kind: string, name: string, href: string): void => {
    if (found.length < mostResults && name.toLowerCase().includes(wanted)) found.push({ kind, name, href })
  }
  for (const { service } of services) take('service', service, to('services', service))
  for (const { service, instances } of services)
    for (const { instanceId } of instances) take('instance', instanceId, to('services', service, instanceId))
  for (const { name, processId } of processes) take('process', name, to('processes', processId))
  return found
}
