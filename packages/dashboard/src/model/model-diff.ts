import type { FleetModel } from '@sd/fleet'
import type { ListName } from '../protocol.ts'
import { keyOf, LIST_NAMES } from './model-keys.ts'
import { safeJson } from './safe-json.ts'

/** The texts of one item: as it came, to notice changes, and as it is sent. */
interface ItemText {
  readonly raw: string
  readonly sent: string
}

type ListTexts = ReadonlyMap<string, ItemText>

/** Turns models into messages for pages. Items that did not change are neither masked nor sent again. */
export interface ModelWriter {
  /** Takes a new model. @returns the changes since the previous one as a `ModelUpdate` in JSON */
  take(model: FleetModel): string
  /** The model taken last, as JSON. */
  model(): string
  /** Time of the model taken last; 0 before the first. */
  readonly at: number
}

/** Creates a writer without a model. */
export function createModelWriter(): ModelWriter {
  let lists = new Map<ListName, ListTexts>()
  let head = ''
  let at = 0

  return {
    get at() {
      return at
    },
    take(model) {
      const next = new Map<ListName, ListTexts>()
      const changed: string[] = []
      for (const name of LIST_NAMES) {
        const before = lists.get(name) ?? new Map<string, ItemText>()
        const { texts, put } = readList(name, model, before)
        const removed = [...before.keys()].filter((key) => !texts.has(key))
        next.set(name, texts)
        if (put.length + removed.length > 0)
          changed.push(`${JSON.stringify(name)}:{"put":[${put.join(',')}],"removed":${safeJson(removed)}}`)
      }
      lists = next
      at = model.at
      head = `"at":${JSON.stringify(model.at)},"registry":${safeJson(model.registry)},"omitted":${safeJson(model.omitted)}`
      return `{"kind":"changes",${head},"lists":{${changed.join(',')}}}`
    },
    model() {
      const parts = LIST_NAMES.map((name) => `${JSON.stringify(name)}:[${sentTexts(lists.get(name)).join(',')}]`)
      return `{${head},${parts.join(',')}}`
    },
  }
}

function readList(
  name: ListName,
  model: FleetModel,
  before: ListTexts,
): { readonly texts: ListTexts; readonly put: readonly string[] } {
  const texts = new Map<string, ItemText>()
  const put: string[] = []
  for (const item of model[name]) {
    const key = keyOf(name, item as never)
    const raw = JSON.stringify(item)
    const known = before.get(key)
    if (known?.raw === raw) {
      texts.set(key, known)
      continue
    }
    const sent = safeJson(item)
    texts.set(key, { raw, sent })
    put.push(sent)
  }
  return { texts, put }
}

function sentTexts(texts: ListTexts = new Map()): readonly string[] {
  return [...texts.values()].map(({ sent }) => sent)
}
