// Text for people. Everything here takes what came from a registry or a process, and treats it as hostile.

const longestText = 300
/** Control characters, and marks that change the direction of text: they could make a name look like another one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
const invisible = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** A text that can be shown: without control characters, and cut at 300 characters. */
export function clean(text: unknown, longest: number = longestText): string {
  const shown = typeof text === 'string' ? text : text === undefined ? '' : (JSON.stringify(text) ?? String(text))
  const short = shown.length > longest ? `${shown.slice(0, longest)}…` : shown
  return short.replace(invisible, '\ufffd')
}

/** A rate such as `97`, `0.4`. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return '0'
  if (perSecond < 0.05) return '< 0.1'
  return perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en')
}

/** A share such as `0.4 %`. */
export function percent(share: number): string {
  const value = share * 100
  if (value === 0) return '0 %'
  if (value < 0.1) return '< 0.1 %'
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} %`
}

/** A duration of a call, such as `4 ms`, `1.2 s`. */
export function latency(ms: number | undefined): string {
  if (ms === undefined) return '–'
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

/** A span of time, such as `45 s`, `12 min`, `3 h`, `5 d`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 100) return `${seconds} s`
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`
}

/** Memory, such as `24 MiB`. */
export function bytes(count: number): string {
  const mib = count / 1_048_576
  return mib < 1_024 ? `${mib < 10 ? mib.toFixed(1) : Math.round(mib)} MiB` : `${(mib / 1_024).toFixed(1)} GiB`
}

/** Time of day, with the date if it is not of today. */
export function clock(at: number): string {
  const date = new Date(at)
  const time = date.toLocaleTimeString('en-GB')
  return date.toDateString() === new Date().toDateString() ? time : `${date.toISOString().slice(0, 10)} ${time}`
}

/** `1 instance`, `3 instances`. */
export function count(number: number, one: string, many: string = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`
}

/** `a, b and c`; from the fourth on only their number. */
export function listing(names: readonly string[], most: number = 4): string {
  const shown = names.length > most ? [...names.slice(0, most - 1), `${names.length - most + 1} more`] : names
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}

/** A value of a configuration. */
export function value(given: unknown): string {
  if (given === undefined) return '(none)'
  return typeof given === 'string' ? clean(given) : clean(JSON.stringify(given))
}
