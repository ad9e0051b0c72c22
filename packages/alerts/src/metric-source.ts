/** The value of one series at one moment. */
export interface MetricSample {
  /** Name of the series, such as `http_requests_total`; a histogram's are `…_bucket` with the label `le`, `…_sum` and `…_count`. */
  readonly name: string
  /** Its labels. */
  readonly labels: Readonly<Record<string, string>>
  /** Its value. What is not finite counts as no sample. */
  readonly value: number
}

/** Reads all samples as of now. `signal` fires when it takes too long. */
export type MetricSource = (signal: AbortSignal) => readonly MetricSample[] | Promise<readonly MetricSample[]>
