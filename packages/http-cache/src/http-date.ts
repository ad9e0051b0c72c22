const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const month = `(?<month>${months.join('|')})`
const time = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'

/** The three forms of RFC 9110, 5.6.7. `Date.parse` also takes others, of which caches would read other times. */
const forms: readonly RegExp[] = [
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d\\d) ${month} (?<year>\\d{4}) ${time} GMT$`, 'i'),
  new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-${month}-(?<year>\\d\\d) ${time} GMT$`, 'i'),
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${month} (?<day>[\\d ]\\d) ${time} (?<year>\\d{4})$`, 'i'),
]

/** Reads a date of a header field, in milliseconds since 1970. @returns `undefined` if it is not valid */
export function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined || text.length > 40) return undefined
  for (const form of forms) {
    const parts = form.exec(text)?.groups as Readonly<Record<string, string>> | undefined
    if (!parts) continue
    const { day, month, year, hour, minute, second } = parts
    const date = new Date(0)
    const at = months.findIndex((name) => name.toLowerCase() === month?.toLowerCase())
    date.setUTCFullYear(fullYear(Number(year), year?.length === 2), at, Number(day))
    date.setUTCHours(Number(hour), Number(minute), Number(second))
    const isReal = date.getUTCDate() === Number(day) && date.getUTCHours() === Number(hour) && Number(minute) < 60
    return isReal && Number(second) <= 60 ? date.getTime() : undefined
  }
  return undefined
}

/** A year of two digits that appears to be more than 50 years ahead is in the past (RFC 9110, 5.6.7). */
function fullYear(year: number, isShort: boolean): number {
  if (!isShort) return year
  const now = new Date().getUTCFullYear()
  const guess = Math.floor(now / 100) * 100 + year
  return guess > now + 50 ? guess - 100 : guess
}
