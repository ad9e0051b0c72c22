/** A command for completion. */
export interface CompletionEntry {
  readonly words: readonly string[]
  readonly summary: string
  readonly options: readonly CompletionOption[]
}

/** An option for completion. */
export interface CompletionOption {
  /** Without its dashes. */
  readonly name: string
  readonly description: string
  readonly hasValue: boolean
}

/** The script for bash: the words that may follow each command. */
export function bashCompletion(entries: readonly CompletionEntry[], globals: readonly CompletionOption[]): string {
  const following = new Map<string, Set<string>>([['', new Set()]])
  for (const { words, options } of entries) {
    for (const [index, word] of words.entries()) {
      const path = words.slice(0, index).join(' ')
      following.set(path, (following.get(path) ?? new Set()).add(word))
    }
    following.set(words.join(' '), new Set(options.map(({ name }) => `--${name}`)))
  }
  const paths = [...following.keys()].filter((path) => path !== '')
  const everywhere = globals.map(({ name }) => `--${name}`).join(' ')
  const cases = [...following].map(([path, words]) => `    "${path}") words="${[...words].join(' ')}" ;;`)
  return `_sdctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" next="" words="" index
  for ((index = 1; index < COMP_CWORD; index++)); do
    next="\${path:+$path }\${COMP_WORDS[index]}"
    case "$next" in
      ${paths.map((path) => `"${path}"`).join('|')}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words ${everywhere}" -- "$current"))
}
complete -F _sdctl sdctl
`
}

/** The script for zsh, which can run that of bash. */
export function zshCompletion(entries: readonly CompletionEntry[], globals: readonly CompletionOption[]): string {
  return `autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n${bashCompletion(entries, globals)}`
}

/** The script for fish. */
export function fishCompletion(entries: readonly CompletionEntry[], globals: readonly CompletionOption[]): string {
  const lines = ['complete -c sdctl -f']
  const option = ({ name, description, hasValue }: CompletionOption, condition?: string): string =>
    `complete -c sdctl${condition === undefined ? '' : ` -n ${quote(condition)}`} -l ${name}${hasValue ? ' -x' : ''} -d ${quote(description)}`
  for (const one of globals) lines.push(option(one))
  const groups = new Set<string>()
  for (const { words, summary, options } of entries) {
    const [first = '', second] = words
    const isFirst = !groups.has(first)
    groups.add(first)
    if (second === undefined || isFirst) {
      const text = second === undefined ? ` -d ${quote(summary)}` : ''
      lines.push(`complete -c sdctl -n __fish_use_subcommand -a ${first}${text}`)
    }
    const siblings = entries.filter((other) => other.words[0] === first).map((other) => other.words[1])
    if (second !== undefined) {
      const condition = `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${siblings.join(' ')}`
      lines.push(`complete -c sdctl -n ${quote(condition)} -a ${second} -d ${quote(summary)}`)
    }
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
    for (const one of options) lines.push(option(one, seen))
  }
  return `${lines.join('\n')}\n`
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
