/**
 * Writes a time of the last hours: `11:40:02`, with its day if it is another one: `2026-01-31 11:40:02`. It is that of the local time
 * zone.
 */
export function formatTime(at: number, now: number): string {
  const [day, time] = partsOf(at)
  return day === partsOf(now)[0] ? time : `${day} ${time}`
}

function partsOf(at: number): readonly [day: string, time: string] {
  const date = new Date(at)
  const pad = (number: number): string => String(number).padStart(2, '0')
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join('-')
  return [day, [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(':')]
}
