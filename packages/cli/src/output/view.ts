/** Look of a text in a terminal that has colours. It never carries a meaning that the text does not have. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

/** A text, or a text with a style. Its content may come from outside: it is cleaned when it is printed. */
export type Span = string | { readonly text: string; readonly style: Style }

/** Texts beside each other. */
export type Line = Span | readonly Span[]

/** Column of a table. */
export interface Column {
  readonly title: string
  /** @default 'left' */
  readonly align?: 'left' | 'right'
  /** Whether the column is left out where the terminal is too narrow, the last such column first. @default false */
  readonly isOptional?: boolean
}

/** Part of what a command prints. */
export type Block =
  | { readonly kind: 'lines'; readonly lines: readonly Line[] }
  /** Sentences, which are wrapped and not cut. */
  | { readonly kind: 'sentences'; readonly lines: readonly Line[] }
  | { readonly kind: 'table'; readonly columns: readonly Column[]; readonly rows: readonly (readonly Line[])[] }
  | { readonly kind: 'fields'; readonly fields: readonly (readonly [label: string, value: Line])[] }
  /** Text for a file or another program, with its line breaks. */
  | { readonly kind: 'source'; readonly text: string }

/** What a command prints for people. */
export type View = readonly Block[]

/** Lines of text. */
export function lines(...all: readonly Line[]): Block {
  return { kind: 'lines', lines: all }
}

/** Sentences: one that is longer than a line goes on in the next, indented. */
export function sentences(...all: readonly Line[]): Block {
  return { kind: 'sentences', lines: all }
}

/** A table. Columns without any content are left out. */
export function table(columns: readonly Column[], rows: readonly (readonly Line[])[]): Block {
  return { kind: 'table', columns, rows }
}

/** Labels and values below each other. Empty values are left out. */
export function fields(...all: readonly (readonly [label: string, value: Line])[]): Block {
  return { kind: 'fields', fields: all }
}

/** A text with a style. */
export function styled(style: Style, text: string): Span {
  return { text, style }
}

/** A text with its own line breaks. */
export function source(text: string): Block {
  return { kind: 'source', text }
}
