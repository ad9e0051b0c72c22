import type { MetricRegister } from '../metric-set.ts'

/** All samples of a register, as `name{label="value"} value` lines without comments, sorted. */
export async function readSamples(register: MetricRegister): Promise<readonly string[]> {
  const text = await register.metrics()
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .sort()
}

/** The value of the sample that is written so, such as `sd_calls_active{service="orders"}`. */
export async function readValue(register: MetricRegister, sample: string): Promise<number | undefined> {
  const line = (await readSamples(register)).find((each) => each.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}
